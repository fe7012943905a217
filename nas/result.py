"""A finished run in Python: what it found, its networks, its supernet and its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.setup.damage import naming_damage
from nas.setup.finding import find_run, resuming
from nas.setup.folder import RunFolder
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nas.data import Data
    from nas.setup import Setup
    from nas.supernet import Supernet

__all__ = ["FoundNetwork", "RunResult", "load"]


def load(run: str | PathLike[str], *, trust: bool = False) -> "RunResult":
    """A finished search, to be looked at and worked with.

    Args:
        run: its name in ``results`` (or in ``$NAS_RESULTS``), or the path of its folder.
        trust: makes a run that somebody else started your own: what it names may then be imported and connected to.

    Raises:
        UsageError: there is no such run, or it has no result.
    """
    folder = find_run(run)
    if trust:
        folder.trust()
    if folder.kind != "search":
        raise UsageError(f"run '{folder.name}' is a {folder.kind}, which has no networks; read {folder.profile}.")
    if not folder.best.exists():
        raise UsageError(f"run '{folder.name}' has no result yet; finish it with: {resuming(folder)}")
    return RunResult(folder.path)


@dataclass(frozen=True)
class RunResult:
    """What a finished search found, read from its folder; in a notebook it shows itself as a table.

    Attributes:
        path: the folder of the run.
    """

    path: Path

    @cached_property
    def row(self) -> Mapping[str, Any]:
        """All of ``best.json``: ``best``, ``largest``, ``front``, ``random``, ``notes`` and what they belong to."""
        return self._folder.result

    @cached_property
    def best(self) -> "FoundNetwork":
        """The network that is handed over."""
        return FoundNetwork(self.path, self.row["best"])

    @cached_property
    def front(self) -> "pd.DataFrame":
        """The Pareto front as measured, a row a network."""
        import pandas as pd

        return pd.DataFrame(self.row["front"])

    @cached_property
    def candidates(self) -> "pd.DataFrame":
        """Everything that was evaluated, in the order asked for."""
        return self._folder.read_table("candidates")

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self._folder.report

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know of the result."""
        return list(self.row["notes"])

    def supernet(self) -> "Supernet":
        """The supernet that was searched, with its trained weights.

        Raises:
            UsageError: the run trained none, or its checkpoint is damaged.
        """
        from nas.delivery.networks import restore_trained

        _require_model(self._folder)
        if not self._setup.traits.needs_supernet:
            evaluator = self._setup.config.evaluator
            raise UsageError(f"run '{self._folder.name}' has no supernet: evaluator '{evaluator}' needs none.")
        restore_trained(self._setup, self._folder)
        return self._setup.searched

    def data(self) -> "Data":
        """The data of the run: ``train``, ``validation`` (the part that selected) and ``test``, as training read them.

        Raises:
            UsageError: they cannot be read, or there are none.
        """
        _require_model(self._folder)
        return self._setup.data

    @cached_property
    def _setup(self) -> "Setup":
        from nas.setup import Setup

        return Setup(self._folder.load_config(), self.path)

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.path)

    def __repr__(self) -> str:
        return f"RunResult({str(self.path)!r}, best {self.best.architecture.id})"

    def _repr_html_(self) -> str:
        from nas.report.notebook import result_table

        with naming_damage(self._folder.best):
            return result_table(self.row, self.report)


@dataclass(frozen=True)
class FoundNetwork:
    """The network in ``best.onnx``; of a search without a model, the best architecture alone.

    Attributes:
        path: the folder of its run.
        metrics: its row of ``best.json``: figures, costs, latency, and what the file is.
    """

    path: Path
    metrics: Mapping[str, Any]

    @property
    def architecture(self) -> Architecture:
        """Which candidate each choice takes."""
        return Architecture(self.metrics["architecture"])

    @property
    def onnx(self) -> Path:
        """The file to deploy."""
        return RunFolder(self.path).onnx

    def network(self) -> "nn.Module":
        """A plain torch module in evaluation mode with the float32 weights of the file; it reads what training read.

        It is made of ``best.safetensors``; of the trained supernet where that is not there, as in runs of earlier
        versions and of evaluators whose networks have a form of their own.

        Raises:
            UsageError: a file of the run is damaged or names what it may not, or the run has no networks.
        """
        from nas.cli.progress import RichProgress
        from nas.delivery.rebuilding import description_of, load_network
        from nas.runs.export import network_of
        from nas.setup import Setup

        folder = RunFolder(self.path)
        _require_model(folder)
        config = folder.load_config()
        if (description := description_of(folder.onnx)).exists():
            return load_network(description, config=config)
        return network_of(Setup(config, folder.path), folder, None, RichProgress())[1]

    def __repr__(self) -> str:
        return f"FoundNetwork({self.architecture.id}, {str(self.onnx)!r})"


def _require_model(folder: RunFolder) -> None:
    if not folder.has_network:
        raise UsageError(
            f"run '{folder.name}' was searched without a model, so it has neither networks nor data; it found an "
            "architecture (best.architecture) and its figures (best.metrics)."
        )
