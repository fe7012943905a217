"""Checked keyword arguments: what a user gave against what a function takes."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from nas.errors import UsageError, did_you_mean

__all__ = ["checked"]


def checked(function: Callable[..., Any], options: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The options, of the types that the function's annotations say.

    Args:
        function: a function, or a class with an annotated ``__init__``.
        options: its keyword arguments, as read from a file.
        key: of the configuration that holds the options, for messages.

    Raises:
        UsageError: the function takes no such option, or one of another type.

    >>> def bake(loaves: int = 1, hot: bool = True) -> None: ...
    >>> checked(bake, {"loaves": 2}, "bread_args")
    {'loaves': 2}
    """
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [each.name for each in inspect.signature(function).parameters.values() if each.kind in by_name]
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
    for name in options:
        if name not in parameters:
            hint = did_you_mean(name, parameters) if parameters else "there is none for this method."
            raise UsageError(f"{key} has no option '{name}'; {hint}")
    given: dict[str, Any] = {name: (hints.get(name, Any), ...) for name in options}
    model = create_model("Options", __config__=ConfigDict(strict=True), **given)
    try:
        return dict(model.model_validate_json(json.dumps(dict(options), default=str)))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(f"{key}.{name} is {first['input']!r}, but {message}.") from None
