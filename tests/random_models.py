"""Random models with nested and tied choices, and which choices each architecture reads, worked out by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from torch import Tensor, nn

from nas.nn import Conv2d, OneOf, Repeat
from nas.space import Choice

__all__ = ["CHANNELS", "Plan", "plans"]

CHANNELS = 3


@dataclass(frozen=True)
class Plan:
    """A node of the model: its kind, the choice it reads, and what is inside."""

    kind: str
    choice: Choice | None = None
    inside: tuple["Plan", ...] = ()

    def build(self) -> nn.Module:
        """A module that keeps the shape ``[N, CHANNELS, H, W]``."""
        children = [plan.build() for plan in self.inside]
        choice: Any = self.choice
        match self.kind:
            case "kernel":
                return Conv2d(CHANNELS, CHANNELS, choice, padding=choice // 2)
            case "hidden":
                return nn.Sequential(Conv2d(CHANNELS, choice, 1), nn.Tanh(), Conv2d(choice, CHANNELS, 1))
            case "one of":
                return OneOf(children, choice)
            case "repeat":
                return Repeat(children, choice)
            case "residual":
                return Residual(children[0])
            case _:
                return nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1), *children)

    def choices(self) -> list[Choice]:
        """Every choice in it, once."""
        own = [] if self.choice is None else [self.choice]
        return list(dict.fromkeys(own + [choice for plan in self.inside for choice in plan.choices()]))

    def reads(self, values: Mapping[Choice, Any]) -> set[tuple[Choice, Any]]:
        """The choices that matter when each choice takes the given value."""
        own = set() if self.choice is None else {(self.choice, values[self.choice])}
        match self.kind:
            case "one of":
                running = [self.inside[values[self.choice]]]  # type: ignore[index]
            case "repeat":
                running = list(self.inside[: values[self.choice]])  # type: ignore[index]
            case _:
                running = list(self.inside)
        return own.union(*(plan.reads(values) for plan in running))


class Residual(nn.Module):
    """A module with a forward of its own, which no one can open."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.inside(x)
        return y


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A sequence of random nodes, nested up to three deep, with at most six choices, some of them used twice."""
    pool: dict[tuple[Any, ...], list[Choice]] = {}
    count = 0

    def choice(*candidates: Any) -> Choice:
        nonlocal count
        known = pool.setdefault(candidates, [])
        if known and (count >= 6 or draw(st.booleans())):
            return draw(st.sampled_from(known))
        count += 1
        known.append(Choice(candidates))
        return known[-1]

    def node(depth: int) -> Plan:
        kinds = ["kernel", "hidden", "fixed"] if count < 6 else ["fixed"]
        nesting = ["one of", "repeat", "residual", "sequence"] if depth and count < 5 else []
        kind = draw(st.sampled_from(kinds + nesting))
        if kind == "kernel":
            return Plan(kind, choice(1, 3))
        if kind == "hidden":
            return Plan(kind, choice(2, 4, 5))
        if kind == "fixed":
            return Plan(kind)
        inside = tuple(node(depth - 1) for _ in range(1 if kind == "residual" else draw(st.integers(1, 3))))
        if kind == "one of":
            return Plan(kind, choice(*range(len(inside))), inside)
        if kind == "repeat":
            least = draw(st.integers(0, len(inside)))
            return Plan(kind, choice(*range(least, len(inside) + 1)), inside)
        return Plan(kind, None, inside)

    first = Plan("kernel", choice(1, 3))
    return Plan("sequence", None, (first, *(node(3) for _ in range(draw(st.integers(1, 3))))))
