"""A run is a folder: its files, its lock, its log."""

import json
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from filelock import FileLock, Timeout

from nas.errors import UsageError, did_you_mean
from nas.files import append_line, write_file
from nas.runs.config import RunConfig, read_yaml, resolve
from nas.runs.trust import is_sealed, outward_links, reached, seal
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind", "RunFolder", "free_name", "versions"]

Kind = Literal["search", "profile"]

_LIBRARIES = ("nas", "torch", "numpy", "pandas", "optuna", "ray", "onnx", "onnxruntime", "scikit-learn")
_PLACE = {"workers", "ray"}
"""Where a run works does not make it another run."""


class RunFolder:
    """The files of one run, each written whole or not at all.

    Args:
        path: ``results/<name>``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.origin = path / "run.json"
        self.log_file = path / "log.jsonl"
        self.measurements = path / "measurements.jsonl"
        self.blocks = path / "blocks.jsonl"
        self.predictor = path / "latency"
        self.study = path / "study.db"
        self.supernet = path / "checkpoints" / "supernet.safetensors"
        self.derived = path / "derived.json"
        self.projection = path / "projection.json"
        self.best = path / "best.json"
        self.onnx = path / "best.onnx"
        self.report = path / "report.html"
        self.candidates = path / "candidates.csv"
        self.finalists = path / "finalists.jsonl"
        self.retraining = path / "retrain"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_complete(self) -> bool:
        """Whether everything that a run delivers is there."""
        return all(file.exists() for file in (self.best, self.onnx, self.report, self.candidates))

    @property
    def result(self) -> dict[str, Any]:
        """What a finished search found, and the seconds that each stage took."""
        return {**self.read(self.best), "seconds": self.read(self.origin)["seconds"]}

    def kept(self, epoch: int) -> Path:
        """The checkpoint of the supernet as it was after an epoch, counted from 0."""
        return self.path / "checkpoints" / f"epoch-{epoch}.safetensors"

    def tuned(self, number: int) -> Path:
        """The checkpoint of the supernet as tuned in a round of derivation."""
        return self.path / "checkpoints" / f"tuned-{number}.safetensors"

    @property
    def last_tuned(self) -> Path | None:
        """The checkpoint of the last round of derivation that ended; None before the first."""
        rounds = self.read(self.projection)["rounds"] if self.projection.exists() else 0
        return self.tuned(rounds - 1) if rounds else None

    def retrained(self, architecture: Architecture) -> Path:
        """The checkpoint of a network that is trained again."""
        return self.path / "checkpoints" / f"retrained-{architecture.id}.safetensors"

    @property
    def kind(self) -> Kind:
        """What the run is; runs from before this was told are searches.

        Raises:
            UsageError: the file that says so is damaged.
        """
        told = self.read(self.origin).get("kind", "search") if self.origin.exists() else "search"
        if told not in get_args(Kind):
            raise UsageError(f"{self.origin} is damaged (its kind is {told!r}); delete that folder and begin again.")
        return cast(Kind, told)

    def create(self, config: RunConfig, kind: Kind = "search") -> None:
        """Makes the folder, or finds the one that an interrupted run of the same kind and configuration left.

        Raises:
            UsageError: the folder belongs to a run of another kind or configuration, or to something else.
        """
        if self.config.exists():
            if self.kind != kind:
                raise UsageError(f"{self.path} holds a {self.kind}, and a {kind} is asked for; choose another --name.")
            _check_same(self.read_config(), config, self.path)
        elif self.path.exists() and not all(_is_temporary(path) or path == self.origin for path in self.path.iterdir()):
            raise UsageError(f"{self.path} is no run but holds other files; choose another --name.")
        if not (self.config.exists() and self.origin.exists()):
            origin: dict[str, Any] = {
                "kind": kind,
                "command": ["nas", *sys.argv[1:]],
                "seed": config.seed,
                "versions": versions(),
            }
            if not self.config.exists():
                origin["seal"] = seal(str(self.path.resolve()), config)
            write_file(self.origin, json.dumps({**origin, "seconds": {}}, indent=2))
        if not self.config.exists():
            write_file(self.config, config.to_yaml())

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
            UsageError: there is no such run.
        """
        if not self.config.exists():
            runs = [folder.name for folder in self.path.parent.glob("*") if (folder / "config.yaml").exists()]
            hint = did_you_mean(self.name, runs) if runs else "there is no run there."
            raise UsageError(f"run '{self.name}' does not exist in {self.path.parent}; {hint}")
        return resolve(read_yaml(self.config), str(self.config))

    def is_own(self, config: RunConfig) -> bool:
        """Whether this user started the run with this configuration in this place, or confirmed it."""
        found = self.read(self.origin).get("seal") if self.origin.exists() else None
        return is_sealed(str(self.path.resolve()), config, found)

    def trust(self) -> None:
        """Makes a run that somebody else started the user's own.

        Raises:
            UsageError: there is no such run, or no proof of it can be kept.
            OSError: the folder cannot be written.
        """
        proof = seal(str(self.path.resolve()), self.read_config())
        if proof is None:
            raise UsageError(
                f"{self.path} cannot be made yours, since no key can be kept; let XDG_STATE_HOME name a folder that "
                "can be written."
            )
        write_file(self.origin, json.dumps({**self.read(self.origin), "seal": proof}, indent=2))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process out; a killed process lets go by itself, and what it left unfinished is removed.

        Raises:
            UsageError: another process works on the run.
        """
        try:
            with FileLock(self.path / ".lock", timeout=0):
                for path in filter(_is_temporary, self.path.rglob(".*.tmp")):
                    path.unlink()
                yield
        except Timeout:
            raise UsageError(
                f"run '{self.name}' is in use by another process; wait for it or choose another --name."
            ) from None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds spent inside to the run's account of its stages."""
        self.log(name, event="begin")
        started = time.perf_counter()
        yield
        origin = self.read(self.origin)
        origin["seconds"][name] = round(origin["seconds"].get(name, 0.0) + time.perf_counter() - started, 2)
        write_file(self.origin, json.dumps(origin, indent=2))
        self.log(name, event="end")

    def log(self, stage: str, **entry: Any) -> None:
        """Appends one line to the log."""
        append_line(self.log_file, json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "stage": stage, **entry}))

    def read(self, path: Path) -> dict[str, Any]:
        """The JSON object in one of the run's files.

        Raises:
            UsageError: the file is damaged.
        """
        try:
            content = json.loads(path.read_text())
            if not isinstance(content, dict):
                raise TypeError(f"it holds {type(content).__name__}")
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{path} is damaged ({error}); delete it and resume the run to make it again.") from None
        return content

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        """Writes ``<name>.csv`` and ``<name>.parquet``."""
        import io

        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_file(self.path / f"{name}.parquet", buffer.getvalue())
        write_file(self.path / f"{name}.csv", table.to_csv(index=False))


def free_name(results: Path, stem: str) -> str:
    """``stem``, or ``stem-2``, ``stem-3`` … if that is taken."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1_000_000))
    return next(name for name in names if not (results / name).exists())


def versions() -> dict[str, str]:
    """Python, platform and the libraries that decide the outcome."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def _is_temporary(path: Path) -> bool:
    """Whether a killed :func:`nas.files.write_file` left it."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def _check_same(stored: RunConfig, wanted: RunConfig, path: Path) -> None:
    before, now = (_flat(each.model_dump(mode="json", exclude=_PLACE)) for each in (stored, wanted))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise UsageError(
                f"{path} holds a run with {key}={before.get(key)!r}, but {now.get(key)!r} is asked for; "
                f"choose another --name, or continue it as it was with: nas resume {path.name}"
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
