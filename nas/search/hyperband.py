"""Successive halving in brackets: many architectures are trained a little, the best of them longer."""

from collections.abc import Sequence

from nas.errors import UsageError
from nas.search.standings import best_first
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import EPOCHS, Architecture, Fidelity, Space

__all__ = ["Hyperband", "bracket_sizes", "check_eta"]


class Hyperband:
    """Hyperband (Li et al., 2018): brackets of successive halving, from the most cautious training to the longest.

    A bracket draws random architectures and trains all of them for some epochs; the best third of them goes on to the
    next level, and so on to the last. The first bracket begins at the fewest epochs, each further one a level above
    with fewer architectures, the last one at whole trainings, which is random search. Then they begin again, until the
    budget is spent. Each level trains anew, so that its schedule of learning rates comes to its end. With several
    objectives the best are those of the best Pareto rank, then by crowding. An architecture that violates a constraint
    on costs is replaced by another before it is trained.

    Args:
        fidelity: the choice of the space that says for how many epochs an architecture is trained.
        eta: of so many architectures of a level one goes on; published with 3, and with levels that far apart.

    Raises:
        UsageError: the space has no such choice, or fewer than two levels; ``eta`` is below 2.

    >>> strategy = Hyperband(Space({"width": list(range(40)), "epochs": [1, 3, 9]}))
    >>> [(len(some), some[0]["epochs"]) for some in [strategy.ask(40)]]
    [(9, 1)]
    """

    def __init__(self, space: Space, seed: int = 0, *, fidelity: str = EPOCHS, eta: int = 3) -> None:
        self._fidelity = Fidelity.of(space, fidelity)
        check_eta("hyperband", self._fidelity, eta)
        self._eta, self._sizes = eta, bracket_sizes(len(self._fidelity.levels), eta)
        self._sampler = UniqueSampler(space.without([fidelity]), seed)
        self._bracket = self._level = 0
        self._promoted: list[Architecture] = []
        self._awaited: set[Architecture] = set()
        self._results: list[Result] = []
        """Of this level of the bracket."""

    def ask(self, n: int) -> list[Architecture]:
        found = self._of_level(n)
        if not found and not self._awaited:
            self._advance()
            found = self._of_level(n)
        self._awaited.update(found)
        return found

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._sampler.visit(self._fidelity.without(result.architecture))
            if result.architecture in self._awaited:
                self._awaited.remove(result.architecture)
                if not result.was_screened_out:
                    self._results.append(result)

    def _of_level(self, n: int) -> list[Architecture]:
        """Architectures that are left to train on this level."""
        if self._level == self._bracket:
            wanted = self._sizes[self._bracket] - len(self._results) - len(self._awaited)
            new = self._sampler.sample(max(0, min(n, wanted)))
        else:
            new, self._promoted = self._promoted[:n], self._promoted[n:]
        return [self._fidelity.at(each, self._fidelity.levels[self._level]) for each in new]

    def _advance(self) -> None:
        """To the next level with the best of this one; after the last level to the next bracket."""
        levels = len(self._fidelity.levels)
        if self._results and self._level < levels - 1:
            best = best_first(self._results)[: max(1, len(self._results) // self._eta)]
            self._promoted = [self._results[position].architecture for position in best]
            self._level += 1
        else:
            self._bracket = self._level = (self._bracket + 1) % levels
        self._results = []


def bracket_sizes(levels: int, eta: int) -> list[int]:
    """How many architectures each bracket begins with, that of the fewest epochs first.

    >>> bracket_sizes(5, 3)
    [81, 34, 15, 8, 5]
    """
    return [-(-levels * eta**steps // (steps + 1)) for steps in reversed(range(levels))]


def check_eta(strategy: str, fidelity: Fidelity, eta: int) -> None:
    """Refuses a search in which nothing can be promoted.

    Raises:
        UsageError: all trainings are of one length, or all architectures would be promoted.
    """
    if len(fidelity.levels) < 2:
        raise UsageError(
            f"strategy '{strategy}' needs trainings of several lengths, but {fidelity.name} are "
            f"{list(fidelity.levels)}; give two or more, such as [1,3,9,27]."
        )
    if eta < 2:
        raise UsageError(f"{strategy} has eta {eta}; give 2 or more, so that fewer go on than were trained.")
