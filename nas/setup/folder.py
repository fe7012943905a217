"""A run is a folder: its files, its lock, its log."""

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from nas.errors import UsageError, did_you_mean
from nas.files import append_line, write_file
from nas.setup.config import RunConfig, read_back
from nas.setup.origin import Kind, Origin, read_object
from nas.setup.same_run import difference
from nas.setup.trust import outward_links, reached
from nas.setup.values import read_yaml
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunFolder", "State", "free_name"]

State = Literal["finished", "running", "interrupted"]

_LOCK = ".lock"
_MOMENT = 0.2
"""Seconds for which somebody who looks whether a run is busy may hold its lock, and more."""
_PATIENCE = 2.0
"""Seconds to wait for a lock, since who is refused a run has looked at it under the lock for a moment."""


class RunFolder:
    """The files of one run, each written whole or not at all.

    Args:
        path: ``results/<name>``.

    Attributes:
        listeners: told every entry of the log after it was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._created: tuple[RunConfig, Kind] | None = None
        self.config = path / "config.yaml"
        self.origin = path / "run.json"
        self.started = Origin(self.origin)
        self.log_file = path / "log.jsonl"
        self.measurements = path / "measurements.jsonl"
        self.blocks = path / "blocks.jsonl"
        self.predictor = path / "latency"
        self.study = path / "study.db"
        self.supernet = path / "checkpoints" / "supernet.safetensors"
        self.plan = path / "plan.json"
        self.space_table = path / "space.txt"
        self.derived = path / "derived.json"
        self.best = path / "best.json"
        self.onnx = path / "best.onnx"
        self.profile = path / "profile.json"
        self.report = path / "report.html"
        self.candidates = path / "candidates.csv"
        self.baseline = path / "baseline.json"
        self.finalists = path / "finalists.jsonl"
        self.retraining = path / "retrain"
        self.tracked = path / "tracked.json"
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_complete(self) -> bool:
        """Whether everything that a run delivers is there."""
        made = (self.best, self.report, self.candidates, *([self.onnx] if self.has_network else []))
        return all(file.exists() for file in made)

    @property
    def has_network(self) -> bool:
        """Whether it delivers a network; a search without a model does not."""
        asked = self.started.config
        return asked is None or asked.has_model

    @property
    def result(self) -> dict[str, Any]:
        """What a finished search found, and the seconds that each stage took."""
        found = self.read(self.best, "metric", "best", "largest", "front")
        return {**found, "seconds": self.started.read("seconds")["seconds"]}

    def kept(self, epoch: int) -> Path:
        """The checkpoint of the supernet as it was after an epoch, counted from 0."""
        return self.path / "checkpoints" / f"epoch-{epoch}.safetensors"

    def finished(self, architecture: Architecture, part: str = "rungs") -> Path:
        """The checkpoint of a network in a part of the last round."""
        return self.path / "checkpoints" / f"finish-{part}-{architecture.id}.safetensors"

    def retrained(self, architecture: Architecture) -> Path:
        """The checkpoint of a network that is trained again."""
        return self.path / "checkpoints" / f"retrained-{architecture.id}.safetensors"

    @property
    def called(self) -> str:
        """What ``nas resume`` calls the run."""
        return f"devices/{self.name}" if self.path.parent.name == "devices" else self.name

    @property
    def _option(self) -> str:
        """What names it on the command line."""
        return "--name" if self.called == self.name else "--target"

    @property
    def kind(self) -> Kind:
        """What the run is; where that is lost, what it has made so far tells.

        Raises:
            UsageError: the file that says so is damaged.
        """
        measured = any(file.exists() for file in (self.profile, self.measurements, self.blocks))
        found = any(file.exists() for file in (self.supernet, self.candidates, self.best))
        return self.started.kind or ("profile" if measured and not found else "search")

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here; the configuration alone, if it gets lost, is made again."""
        return self.config.exists() or self.started.config is not None

    @property
    def has_value(self) -> bool:
        """Whether work would be lost: trained weights, evaluated candidates or a result, measurements of a profile."""
        made = [self.best, self.profile, self.study, *self.supernet.parent.glob("*.safetensors")]
        measured = [self.measurements, self.blocks, self.predictor / "summary.json"]
        return any(file.exists() for file in (made if self.kind == "search" else [*made, *measured]))

    @property
    def is_busy(self) -> bool:
        """Whether a process works on the run."""
        if not (self.path / _LOCK).exists():
            return False
        try:
            with FileLock(self.path / _LOCK, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a folder that only others may write
            return False

    @property
    def state(self) -> State:
        """How far the run is.

        Raises:
            UsageError: the file that says what it is, is damaged.
        """
        made = self.profile.exists() if self.kind == "profile" else self.is_complete
        return "running" if self.is_busy else "finished" if made else "interrupted"

    @contextmanager
    def begin(self, config: RunConfig, kind: Kind = "search") -> Iterator[None]:
        """Keeps others out while the block lasts, in a new folder or where a run that asked for the same left off.

        One that asked for something else is replaced if it has nothing of value, as after a constraint that nothing
        satisfies or a disk without room.

        Raises:
            UsageError: another process works on it, or it belongs to a run of another kind or configuration, or to
                something else.
        """
        self._refuse_foreign()
        self.path.mkdir(parents=True, exist_ok=True)
        with self._locked(_MOMENT):
            self._refuse_foreign()
            self._make_way(config, kind)
            if not self.origin.exists():
                self.started.write(config, kind, is_new=not self.config.exists())
            if not self.config.exists():
                write_file(self.config, config.to_yaml())
            yield

    def create(self, config: RunConfig, kind: Kind = "search") -> None:
        """Makes the folder, or finds it, and lets go of it; as :meth:`begin`.

        If it becomes another run before :meth:`lock`, this tells.
        """
        with self.begin(config, kind):
            self._created = config, kind

    def load_config(self) -> RunConfig:
        """The resolved configuration that the run was started with, to go on with it.

        Raises:
            UsageError: there is no such run, or somebody else made it and it would reach out of its folder.
        """
        config = self.read_config()
        if not self.is_own(config):
            named = [f"{key} '{name}'" for key, name in reached(config).items()]
            links = [f"a link out of it ('{path}')" for path in outward_links(self.path)]
            if named or links:
                raise UsageError(
                    f"{self.path} was not made by you here, and names {', '.join([*named, *links[:1]])}, which this "
                    "would import, connect to or follow; look at it, and add --trust if you trust whoever made it."
                )
        return config

    def read_config(self) -> RunConfig:
        """The resolved configuration that the run was started with, to look at; what it names may be anybody's.

        Raises:
            UsageError: there is no such run, or its configuration was changed since.
        """
        if not self.is_run:
            runs = [folder.name for folder in self.path.parent.glob("*") if (folder / "config.yaml").exists()]
            hint = did_you_mean(self.name, runs) if runs else "there is no run there."
            raise UsageError(f"run '{self.name}' does not exist in {self.path.parent}; {hint}")
        started = self.started.config
        if started is None:
            return read_back(read_yaml(self.config), str(self.config))
        if not self.config.exists():
            return started
        try:
            config = read_back(read_yaml(self.config), str(self.config))
        except UsageError as error:
            raise UsageError(f"{str(error).rstrip('.')}; delete that file, and the run makes it again.") from None
        if edited := difference(started, config):
            raise UsageError(
                f"{self.config} says {edited.key}={edited.now!r} now, but the run was started with {edited.before!r}, "
                "which all that it found belongs to; put that back, or start a run of another name."
            )
        return config

    def is_own(self, config: RunConfig) -> bool:
        """Whether this user started the run with this configuration in this place, or confirmed it."""
        return self.started.is_own(config)

    def trust(self) -> None:
        """Makes a run that somebody else started the user's own; as :meth:`nas.setup.origin.Origin.seal`."""
        self.started.seal(self.read_config())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process out; a killed process lets go by itself, and what it left unfinished is removed.

        Raises:
            UsageError: another process works on the run.
        """
        with self._locked(_PATIENCE):
            if self._created:
                self._refuse_other(*self._created)
            yield

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds spent inside to the run's account of its stages."""
        self.log(name, event="begin")
        with self.started.timed(name):
            yield
        self.log(name, event="end")

    def log(self, stage: str, **entry: Any) -> None:
        """Appends one line to the log, and tells the listeners."""
        event = {"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "stage": stage, **entry}
        append_line(self.log_file, json.dumps(event))
        for listener in self.listeners:
            listener(event)

    def read(self, path: Path, *keys: str) -> dict[str, Any]:
        """The JSON object in one of the run's files, which must have these keys.

        Raises:
            UsageError: the file is damaged or gone.
        """
        return read_object(path, "delete it and resume the run", *keys)

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        """Writes ``<name>.csv`` and ``<name>.parquet``."""
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_file(self.path / f"{name}.parquet", buffer.getvalue())
        write_file(self.path / f"{name}.csv", table.to_csv(index=False))

    def read_table(self, name: str) -> "pd.DataFrame":
        """What :meth:`write_table` wrote.

        Raises:
            UsageError: it is damaged or gone.
        """
        import pandas as pd

        file = self.path / f"{name}.parquet"
        try:
            return pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{file} is damaged or gone ({error}); delete {self.candidates} and resume the run to make it again."
            ) from None

    @contextmanager
    def _locked(self, patience: float) -> Iterator[None]:
        try:
            with FileLock(self.path / _LOCK, timeout=patience):
                for left in filter(_is_temporary, self.path.rglob(".*.tmp")):
                    left.unlink()
                yield
        except Timeout:
            raise UsageError(
                f"run '{self.name}' is in use by another process; wait for it or choose another {self._option}."
            ) from None

    def _refuse_foreign(self) -> None:
        """Refuses a folder that holds other things than a run."""
        files = [] if not self.path.exists() or self.is_run else self.path.iterdir()
        if any(
            path.name not in (self.origin.name, self.config.name, _LOCK) and not _is_temporary(path) for path in files
        ):
            raise UsageError(f"{self.path} is no run but holds other files; choose another {self._option}.")

    def _make_way(self, config: RunConfig, kind: Kind) -> None:
        """Removes the run of another asking if it has nothing of value, pickled state too, or a killed beginning."""
        try:
            if self.is_run:
                self._refuse_other(config, kind)
            else:
                self.origin.unlink(missing_ok=True)
        except UsageError:
            if self.has_value:
                raise
            files = (self.log_file, self.measurements, self.blocks, self.config, self.origin)
            for path in (self.predictor, self.retraining, *files):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def _refuse_other(self, config: RunConfig, kind: Kind) -> None:
        advice = f"choose another {self._option}, or continue it as it was with: nas resume {self.called}"
        if self.started.kind not in (kind, None):
            raise UsageError(f"{self.path} holds a {self.kind}, and a {kind} is asked for; {advice}")
        if other := difference(self.read_config(), config):
            raise UsageError(
                f"{self.path} holds a run with {other.key}={other.before!r}, but {other.now!r} is asked for; {advice}"
            )


def free_name(results: Path, stem: str) -> str:
    """``stem``, or ``stem-2``, ``stem-3`` … if that is taken."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1_000_000))
    return next(name for name in names if not (results / name).exists())


def _is_temporary(path: Path) -> bool:
    """Whether a killed :func:`nas.files.write_file` left it."""
    return path.name.startswith(".") and path.suffix == ".tmp"
