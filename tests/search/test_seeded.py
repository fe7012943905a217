"""A search that begins with given architectures."""

from collections.abc import Sequence

from nas.search import RandomSearch, Result, Seeded
from nas.space import Architecture, Space

SPACE = Space({"a": [0, 1, 2], "b": [0, 1, 2]})


class Heard(RandomSearch):
    """Remembers what it was told."""

    def tell(self, results: Sequence[Result]) -> None:
        self.heard = [each.architecture for each in results]
        super().tell(results)


def test_the_given_come_first_and_their_results_are_told() -> None:
    first, second, third = list(SPACE)[:3]
    inner = Heard(SPACE, 0)
    strategy = Seeded(inner, [first, second, first, third])
    assert strategy.ask(2) == [first, second]
    assert strategy.ask(2) == [third]
    strategy.tell([Result(each, {}, (0.0,), 0.0) for each in (first, second, third)])
    assert inner.heard == [first, second, third]
    asked: list[Architecture] = strategy.ask(6)
    assert len(asked) == 6
    assert not {first, second, third} & set(asked)
