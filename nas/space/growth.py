"""Architectures that are one step larger or smaller than another."""

from collections.abc import Iterator

from nas.space.architecture import Architecture
from nas.space.order import are_numbers
from nas.space.space import Space

__all__ = ["grown", "shrunk"]


def grown(space: Space, architecture: Architecture) -> Iterator[Architecture]:
    """Every architecture in which one active choice of numbers has its next larger candidate, such as a wider layer.

    Choices that become active, such as those of a further layer, take their smallest candidates; others stay.

    >>> space = Space({"kernel": [3, 5, 7], "depth": [1, 2], "activation": ["relu", "gelu"]})
    >>> [each.key for each in grown(space, space.smallest())]
    ['{"activation":"relu","depth":1,"kernel":5}', '{"activation":"relu","depth":2,"kernel":3}']
    """
    return _stepped(space, architecture, 1)


def shrunk(space: Space, architecture: Architecture) -> Iterator[Architecture]:
    """Every architecture in which one active choice of numbers has its next smaller candidate."""
    return _stepped(space, architecture, -1)


def _stepped(space: Space, architecture: Architecture, step: int) -> Iterator[Architecture]:
    for name, value in architecture.items():
        candidates = space.choices[name]
        if not are_numbers(candidates):
            continue
        place = sorted(candidates).index(value) + step
        if 0 <= place < len(candidates):
            yield space.complete({**architecture, name: sorted(candidates)[place]})
