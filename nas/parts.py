"""The parts of a run, found by name: what ships, what other packages register, what a user writes beside the run."""

import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Generic, NamedTuple, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from nas.descriptions import described
from nas.errors import UsageError, did_you_mean

__all__ = ["Listed", "Slot", "check_options", "import_object"]

Part = TypeVar("Part")
DISTRIBUTION = "nas-supernet"
"""The name of this project where packages are found; what is imported is ``nas``."""
_SHIPS = "nas"


class Listed(NamedTuple):
    """A part that can be named."""

    name: str
    summary: str
    package: str
    """The distribution that registers it, with its version; ``nas`` for what ships."""
    description: Mapping[str, str]
    """What else it says of itself."""


@dataclass(frozen=True)
class Slot(Generic[Part]):
    """One place in a run that a part fills: by a shipped name, an installed one, or ``module:object``.

    Attributes:
        name: what its parts are called in sentences, such as "strategy".
        group: of the entry points by which packages register parts.
        shipped: name → ``module:object``, imported when it is asked for.
        fits: whether an object can be such a part.
        expected: what that takes, for a sentence.
        families: prefix → ``module:function``, which makes the part of the rest of a name, ``prefix:rest``.

    >>> shapes = Slot("shape", "mine.shapes", {"path": "pathlib:Path"}, callable, "a function")
    >>> shapes["path"].__name__, shapes["json:dumps"].__name__
    ('Path', 'dumps')
    >>> shapes["pth"]
    Traceback (most recent call last):
    nas.errors.UsageError: shape 'pth' is not known; did you mean 'path'?
    """

    name: str
    group: str
    shipped: Mapping[str, str]
    fits: Callable[[Any], bool]
    expected: str
    families: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Part:
        """The part of that name.

        Raises:
            UsageError: there is none, it cannot be imported, or it is something else; or two packages call theirs so.
        """
        prefix, _, rest = name.partition(":")
        if prefix in self.families and rest:
            part = pkgutil.resolve_name(self.families[prefix])(rest)
        elif prefix in self.shipped and rest:
            takers = " and ".join(f"{family}:NAME" for family in self.families) or "none of these"
            raise UsageError(f"{self.name} '{prefix}' takes no name after it, as '{name}' has; {takers} would.")
        elif ":" in name:
            part = import_object(name, self.name)
        else:
            entries = self._entries()
            self._require(name, entries)
            part = pkgutil.resolve_name(self.shipped[name]) if name in self.shipped else self._load(entries[name][0])
        if not self.fits(part):
            kind = f"the class {part.__name__}" if isinstance(part, type) else f"of type {type(part).__name__}"
            raise UsageError(f"{self.name} '{name}' is {kind}, expected {self.expected}.")
        return part  # type: ignore[no-any-return]

    def require(self, name: str) -> None:
        """Refuses a name that nothing has; what the user wrote, ``module:object``, is not looked for.

        Raises:
            UsageError: nothing has it, or two packages do.
        """
        if ":" not in name:
            self._require(name, self._entries())

    def own_code(self, name: str) -> str | None:
        """The ``module:object`` of a user that a name imports; None where it imports what ships or is installed.

        >>> Slot("shape", "mine.shapes", {}, callable, "a function", {"round": "math:ceil"}).own_code("round:1")
        """
        prefix, _, rest = name.partition(":")
        named = rest if prefix in self.families else name
        return named if ":" in named else None

    def name_of(self, reference: str) -> str:
        """The name of a part that is known as ``module:object``; if nothing registers it, that itself.

        >>> Slot("shape", "mine.shapes", {"path": "pathlib:Path"}, callable, "a function").name_of("pathlib:Path")
        'path'
        """
        known = {each.value: name for name, entries in self._entries().items() for each in entries}
        return ({module: name for name, module in self.shipped.items()} | known).get(reference, reference)

    def __iter__(self) -> Iterator[str]:
        """The names: what ships, then what other packages register."""
        return iter(dict.fromkeys([*self.shipped, *sorted(self._entries())]))

    def listing(self) -> Iterator[Listed]:
        """Each part with its summary; one that cannot be had, with the reason. What ships is not imported for it."""
        entries = self._entries()
        for name in dict.fromkeys([*self.shipped, *sorted(entries)]):
            package = _SHIPS if name in self.shipped else _package(entries[name][0])
            try:
                self._require(name, entries)
                reference = self.shipped[name] if name in self.shipped else entries[name][0].value
                description = (described(reference) if package == _SHIPS else {}) or _description(self[name])
            except UsageError as error:
                description = {"summary": str(error)}
            yield Listed(name, description["summary"], package, description)
        for prefix, reference in self.families.items():
            description = described(reference) or _description(pkgutil.resolve_name(reference))
            yield Listed(f"{prefix}:NAME", description["summary"], _SHIPS, description)

    def _require(self, name: str, entries: Mapping[str, Sequence[EntryPoint]]) -> None:
        if name in self.families and name not in self.shipped:
            raise UsageError(f"{self.name} '{name}' needs a name after it, such as '{name}:NAME'.")
        known = {*self.shipped, *entries}
        if name not in known:
            raise UsageError(f"{self.name} '{name}' is not known; {_instead(name, sorted(known))}")
        registered = {_package(each) for each in entries.get(name, ())}
        packages = [*([_SHIPS] if name in self.shipped else []), *sorted(registered)]
        if len(packages) > 1:
            raise UsageError(
                f"{self.name} '{name}' is registered by {' and '.join(packages)}; name the one that you mean as "
                "module:object."
            )

    def _entries(self) -> dict[str, list[EntryPoint]]:
        """What packages register, by name."""
        found: dict[str, list[EntryPoint]] = {}
        for each in _registered(self.group):
            found.setdefault(each.name, []).append(each)
        return found

    def _load(self, entry: EntryPoint) -> Any:
        try:
            return entry.load()
        except Exception as error:  # another package's code can fail in any way
            raise UsageError(
                f"{self.name} '{entry.name}' of {_package(entry)} cannot be loaded ({type(error).__name__}: {error}); "
                "install what it needs, or choose another."
            ) from error


@cache
def _registered(group: str) -> EntryPoints:
    """Read once: it takes as long as a hundred packages are installed, and names are looked up all the time."""
    return entry_points(group=group)


def import_object(name: str, role: str) -> Any:
    """What ``package.module:object`` names; errors inside the user's module are not hidden.

    The current folder is searched too, after everything that is installed, so that no file in it takes the place of
    another module; and from then on, since the module may import its neighbours later.

    Args:
        name: dotted module and attribute.
        role: what the name stands for, such as "space", for the error message.

    Raises:
        UsageError: the name is of another form, or there is no such module or object.

    >>> import_object("json:dumps", "space")([1])
    '[1]'
    """
    module_name, _, attribute = name.partition(":")
    if not all(word.isidentifier() for word in (*module_name.split("."), attribute)):
        raise UsageError(f"{role} '{name}' is no package.module:object; write it like 'my.module:object'.")
    if "" not in sys.path:
        sys.path.append("")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"{role} '{name}' names no importable module '{module_name}'; install it or put its folder on PYTHONPATH."
        ) from error
    except Exception as error:
        error.add_note(f"{role[:1].upper()}{role[1:]} '{name}' cannot be had: its module fails when it is imported.")
        raise
    if not hasattr(module, attribute):
        file = getattr(module, "__file__", None) or "built in"
        raise UsageError(
            f"{role} '{name}' is not there: module '{module_name}' has no '{attribute}' (it is {file}; rename a file "
            "of yours that is called like an installed module)."
        )
    return getattr(module, attribute)


def check_options(
    function: Callable[..., Any], options: Mapping[str, Any], of: str, given: Collection[str] = ()
) -> dict[str, Any]:
    """The options that a user gave, of the types that the function's annotations say.

    Args:
        function: a function, or a class with an annotated ``__init__``.
        options: its keyword arguments, as read from a file.
        of: what has the options, for messages.
        given: arguments that somebody else fills in, which are no options.

    Raises:
        UsageError: the function takes no such option, or one of another type.

    >>> def bake(oven: str, loaves: int = 1, hot: bool = True) -> None: ...
    >>> check_options(bake, {"loaves": 2}, "baker 'bake'", given=["oven"])
    {'loaves': 2}
    >>> check_options(bake, {"loaf": 2}, "baker 'bake'", given=["oven"])
    Traceback (most recent call last):
    nas.errors.UsageError: baker 'bake' has no option 'loaf'; did you mean 'loaves'?
    """
    parameters = list(inspect.signature(function).parameters.values())
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [each.name for each in parameters if each.kind in by_name and each.name not in given]
    hints = _hints(function)
    for name in options:
        if name not in known:
            raise UsageError(f"{of} has no option '{name}'; {_instead(name, known)}")
    return {name: _checked(value, hints.get(name, Any), of, name) for name, value in options.items()}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The types that annotations name; none where one names what only a type checker knows."""
    if isinstance(function, partial):
        return _hints(function.func)
    if inspect.isclass(function):
        annotated: Any = function.__init__
    else:
        annotated = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(annotated)
    except NameError:
        return {}


def _checked(value: Any, hint: Any, of: str, name: str) -> Any:
    """The value as the annotation has it: a list becomes a tuple, say, but no text a number."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return value  # of a type that only its function can judge
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except TypeError:  # no value of a file
        return value
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(
            f"{of} has {'.'.join([name, *map(str, first['loc'])])} {first['input']!r}, but {message}."
        ) from None


def _instead(name: str, known: Collection[str]) -> str:
    return did_you_mean(name, known) if known else "there is none."


def _package(entry: EntryPoint) -> str:
    if entry.dist is None:
        return entry.value
    return _SHIPS if entry.dist.name == DISTRIBUTION else f"{entry.dist.name} {entry.dist.version}"


def _description(part: Any) -> dict[str, str]:
    """The texts among the attributes of a part; its summary may be the first line of its documentation."""
    texts = {key: value for key, value in getattr(part, "__dict__", {}).items() if isinstance(value, str)}
    return {"summary": (inspect.getdoc(part) or "").partition("\n")[0], **texts}
