"""What varies in a model, what is coupled, and what stays, as text of at most eighty columns."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import wrap

from nas.conversion.choices import names_of
from nas.conversion.following.graph import Place
from nas.conversion.groups import Group
from nas.conversion.plan import Plan
from nas.space import Choice
from nas.wording import counted

__all__ = ["accounts", "table"]

_COLUMNS = 80


def table(plan: Plan, parameters: Mapping[Place, int]) -> str:
    """The table of a plan.

    Args:
        plan: what varies.
        parameters: the number of elements of each parameter.
    """
    held = accounts(plan, parameters)
    choices, reasons = {str(choice.name): choice for choice in plan.choices}, plan.reasons(parameters)
    elastic = sum(held.get(name, 0) for name in choices)
    lines = [*_heading(f"What varies: {counted(len(choices), 'choice')}")]
    for width in plan.widths:
        lines += _choice(width.choice, held)
        lines += _described(width.groups)
    for kind in ("kernel", "depth"):
        lines += _alike([each for each in plan.choices if str(each.name).endswith(kind)], kind, held)
    lines += _heading("What stays")
    for reason, places in reasons.items():
        lines += _row(_few(list(dict.fromkeys(place.path or place.name for place in places))), held[reason])
        lines += _indented(reason)
    size = 1
    for choice in choices.values():
        size *= len(choice.candidates)
    total = sum(parameters.values())
    lines += ["", f"{counted(total, 'parameter')} = {elastic:,} elastic + {total - elastic:,} fixed"]
    return "\n".join([*lines, f"at most {_rounded(size)} architectures"])


def accounts(plan: Plan, parameters: Mapping[Place, int]) -> dict[str, int]:
    """How many parameters are listed under each choice and each reason; every parameter once.

    A parameter is listed under the width along its first dimension that varies, else under its kernel, else under the
    depth of its stage, else under why it stays.
    """
    found: Counter[str] = Counter()
    fixed = {place: reason for reason, places in plan.reasons(parameters).items() for place in places}
    for place, number in parameters.items():
        found[plan.name_of(place) or fixed[place]] += number
    return dict(found)


def _choice(choice: Choice, held: Mapping[str, int]) -> list[str]:
    candidates = ", ".join(map(str, choice.candidates))
    return _row(f"{choice.name}: {candidates}", held.get(str(choice.name), 0))


def _alike(choices: Sequence[Choice], kind: str, held: Mapping[str, int]) -> list[str]:
    """Choices of one kind, those of the same candidates in one row."""
    lines = []
    for candidates in dict.fromkeys(choice.candidates for choice in choices):
        names = [str(choice.name) for choice in choices if choice.candidates == candidates]
        shown = ", ".join(map(str, candidates))
        lines += _row(_few([name.removesuffix(f".{kind}") for name in names]), sum(held.get(name, 0) for name in names))
        lines += _indented(f"{kind}: {shown}{', each by itself' if len(names) > 1 else ''}")
    return lines


def _described(groups: Sequence[Group]) -> list[str]:
    """The layers that follow a width, and what couples them."""
    layers = list(dict.fromkeys(name for group in groups for name in names_of(group)))
    why = list(dict.fromkeys(each for group in groups for each in group.couplings))
    coupled = f"; coupled by {_few(why, 2)}" if why else ""
    notes = "; a statistic is taken over it" if any(group.softened for group in groups) else ""
    return _indented(f"{counted(len(layers), 'layer')}: {_few(layers)}{coupled}{notes}")


def _few(names: Sequence[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _row(text: str, number: int) -> list[str]:
    """A text with a number at the right."""
    shown = f"{number:,}"
    *lines, last = wrap(text, _COLUMNS - len(shown) - 3, initial_indent="  ", subsequent_indent="    ")
    return [*lines, f"{last}{shown:>{_COLUMNS - len(last)}}"]


def _indented(text: str) -> list[str]:
    return wrap(re.sub(r"\s+", " ", text), _COLUMNS, initial_indent="      ", subsequent_indent="      ")


def _heading(text: str) -> list[str]:
    return [f"{text}{'parameters':>{_COLUMNS - len(text)}}", "─" * _COLUMNS]


def _rounded(size: int) -> str:
    return f"{size:,}" if size < 10**7 else f"{size:.3g}"
