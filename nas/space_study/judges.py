"""What tells how good the architectures of a population are: a table or a function, or a finished search."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from nas.delivery.networks import restore_trained
from nas.errors import UsageError
from nas.evaluation.each_alone import EachAlone
from nas.evaluation.time_limit import TimeLimit
from nas.search import Constraint, Objective
from nas.search.pool import metrics_of
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup
from nas.setup.without_model import SetupWithoutModel
from nas.space import Architecture, Fidelity, Space
from nas.tables.results import TableResults

__all__ = ["FinishedSearch", "Judge", "TableOrFunction"]


class Judge(Protocol):
    """Can be sent to worker processes."""

    @property
    def name(self) -> str:
        """What studies that go on must agree in."""

    @property
    def space(self) -> Space:
        """The architectures that there are."""

    @property
    def objective(self) -> Objective:
        """What they are judged by."""

    @property
    def fidelity(self) -> Fidelity:
        """How long they are trained."""

    def known(self, architecture: Architecture) -> Mapping[str, float]:
        """What is known of one before it is evaluated."""

    def metrics(self, architecture: Architecture) -> Mapping[str, float]:
        """What an evaluation of one tells."""


@dataclass(frozen=True)
class TableOrFunction:
    """A table of results, or a function of an architecture."""

    setup: SetupWithoutModel

    @property
    def name(self) -> str:
        return self.setup.identity.evaluator

    @property
    def space(self) -> Space:
        return self.setup.space

    @property
    def objective(self) -> Objective:
        return self.setup.objectives[0]

    @property
    def fidelity(self) -> Fidelity:
        return self.setup.fidelity

    def known(self, architecture: Architecture) -> Mapping[str, float]:
        return {} if self.setup.costs is None else metrics_of(self.setup.costs, [architecture], "costs")[0]

    def metrics(self, architecture: Architecture) -> Mapping[str, float]:
        return self._evaluator.row(architecture)

    @cached_property
    def _evaluator(self) -> TableResults | EachAlone | TimeLimit:
        return self.setup.evaluator()


@dataclass(frozen=True)
class FinishedSearch:
    """The evaluator of a run, with the weights that its supernet was trained to, if it has one.

    Args:
        path: of its folder. Every process opens it by itself.
    """

    path: Path

    name = "finished searches"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "path", state["path"])

    @property
    def space(self) -> Space:
        return self._setup.space

    @property
    def objective(self) -> Objective:
        return self._setup.objective

    @property
    def fidelity(self) -> Fidelity:
        return Fidelity.of(self.space, self._setup.config.fidelity)

    def known(self, architecture: Architecture) -> Mapping[str, float]:
        return self._setup.costs_of(architecture)

    def metrics(self, architecture: Architecture) -> Mapping[str, float]:
        return metrics_of(self._setup.evaluator, [architecture], f"evaluator '{self._setup.config.evaluator}'")[0]

    def check_bound(self, bound: Constraint) -> None:
        """Refuses a bound on what neither the costs nor the evaluator tell, as latency.

        Raises:
            UsageError: it is one, or a share of the largest architecture.
        """
        if bound.of_largest:
            raise UsageError(f"constraint '{bound}' is a share of the largest, which a study does not know.")
        example = self.space.smallest()
        bound.check_metric([*self.known(example), *self.metrics(example)])

    @cached_property
    def _setup(self) -> Setup:
        folder = RunFolder(self.path)
        config = folder.load_config()
        if folder.kind != "search" or not config.has_model:
            raise UsageError(f"run '{folder.name}' is no search of networks, so it has no evaluator; name another.")
        setup = Setup(config, folder.path)
        restore_trained(setup, folder)
        return setup
