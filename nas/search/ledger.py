"""What has been measured, so that nothing is measured twice."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from nas.errors import UsageError
from nas.search.objectives import Objective, objective_values
from nas.search.quiet import quiet_optuna
from nas.space import Architecture, Space

if TYPE_CHECKING:
    import optuna
    import pandas as pd

__all__ = ["Key", "Ledger"]


class Key(NamedTuple):
    """What makes two measurements the same.

    Attributes:
        architecture: :attr:`nas.space.Architecture.key`, or a key of the stand-alone network.
        evaluator: its name and settings.
        fidelity: how thorough it was, such as "epochs=10".
        seed: of the evaluator.
        checkpoint: hash of the inherited weights; empty without any.
    """

    architecture: str
    evaluator: str = ""
    fidelity: str = ""
    seed: int = 0
    checkpoint: str = ""


class Entry(NamedTuple):
    """A measurement to be written, see :meth:`Ledger.add`."""

    key: Key
    architecture: Architecture
    metrics: Mapping[str, float]
    costs: Mapping[str, float]
    violations: Mapping[str, float]


class Ledger:
    """An Optuna study with one finished trial for each measurement; append-only, shared by all strategies.

    A trial holds the objectives as its values, the constraints, and as user attributes the key, the architecture,
    the metrics and the costs. Choices are not stored as parameters: forty of them cost 25 ms a trial instead of 4;
    :meth:`study` gives them where Optuna's importances are wanted. A measurement whose objectives are not finite is
    a failed trial. SQLite runs with a write-ahead log, so several processes may write.

    Args:
        storage: path of an SQLite file, or a database URL of SQLAlchemy.
        study_name: one storage holds any number of studies.
        objectives: what the values are.
        metadata: guards against mixing, such as the fingerprint of the space; compared when the study exists.

    Raises:
        UsageError: the storage cannot be opened, or the study was made for other objectives or metadata.
    """

    def __init__(
        self,
        storage: Path | str,
        study_name: str,
        objectives: Sequence[Objective],
        metadata: Mapping[str, str] | None = None,
        owner: str | None = None,
    ) -> None:
        self.objectives = tuple(objectives)
        self._place = storage
        self._trials: dict[Key, optuna.trial.FrozenTrial] = {}
        self._read = 0
        with _explained(storage):
            self._storage = _open(storage)
            self._study = _study(self._storage, study_name, self.objectives)
            self._check(study_name, {"objectives": "; ".join(map(str, self.objectives)), **(metadata or {})})
            self.refresh()

    def __len__(self) -> int:
        return len(self._trials)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the database; the ledger cannot be used afterwards."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def refresh(self) -> None:
        """Takes in what other processes have added; of equal keys the first counts."""
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials[self._read :]:
            if "key" not in trial.user_attrs:
                raise UsageError(
                    f"study '{self._study.study_name}' holds trial {trial.number}, which no ledger wrote; "
                    "take another study name."
                )
            self._trials.setdefault(Key(*trial.user_attrs["key"]), trial)
        self._read = len(trials)

    def get(self, key: Key) -> dict[str, float] | None:
        """The metrics measured under this key, without the costs; None when there are none yet."""
        trial = self._trials.get(key)
        return None if trial is None else _floats(trial.user_attrs["metrics"])

    def add(
        self,
        key: Key,
        architecture: Architecture,
        metrics: Mapping[str, float],
        costs: Mapping[str, float] | None = None,
        violations: Mapping[str, float] | None = None,
    ) -> None:
        """Writes a measurement; does nothing when the key is there.

        Args:
            metrics: what the evaluator measured.
            costs: what was known before.
            violations: constraint → its violation, 0 where satisfied.

        Raises:
            UsageError: an objective is neither a metric nor a cost, or the storage cannot be written.
        """
        import optuna

        self.refresh()
        if key in self._trials:
            return
        together = {**metrics, **(costs or {})}
        finite = objective_values(self.objectives, together) is not None
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.COMPLETE if finite else optuna.trial.TrialState.FAIL,
            values=[float(together[objective.metric]) for objective in self.objectives] if finite else None,
            user_attrs={
                "key": list(key),
                "architecture": architecture.to_json(),
                "metrics": _jsonable(metrics),
                "costs": _jsonable(costs or {}),
            },
            constraints=dict(violations or {}),
        )
        with quiet_optuna(), _explained(self._place):
            self._study.add_trial(trial)
        self.refresh()

    def claim(self, keys: Sequence[Key]) -> set[Key]:
        return set(keys)

    def extend(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.add(*entry)

    def table(self) -> "pd.DataFrame":
        """A row a measurement, in the order written: number, id, architecture, the parts of the key, metrics, costs."""
        import pandas as pd

        rows = [
            {
                "number": trial.number,
                "id": Architecture.from_json(trial.user_attrs["architecture"]).id,
                "architecture": trial.user_attrs["architecture"],
                **{name: value for name, value in key._asdict().items() if name != "architecture"},
                **_floats(trial.user_attrs["metrics"]),
                **_floats(trial.user_attrs["costs"]),
            }
            for key, trial in self._trials.items()
        ]
        columns = ["number", "id", "architecture", *Key._fields[1:]]
        return pd.DataFrame(rows, columns=None if rows else columns)

    def study(self, space: Space) -> "optuna.Study":
        """An in-memory copy of the complete trials with the choices as parameters, the inactive ones absent.

        For Optuna's importances and plots.
        """
        import optuna

        distributions = {
            name: optuna.distributions.CategoricalDistribution(range(len(candidates)))
            for name, candidates in space.choices.items()
        }
        with quiet_optuna():
            copy = optuna.create_study(directions=self._study.directions)
            copy.set_metric_names([objective.metric for objective in self.objectives])
            for trial in self._trials.values():
                if trial.state == optuna.trial.TrialState.COMPLETE:
                    (row,) = space.indices([Architecture.from_json(trial.user_attrs["architecture"])])
                    active = {name: int(index) for name, index in zip(space.choices, row, strict=True) if index >= 0}
                    copy.add_trial(
                        optuna.trial.create_trial(
                            values=trial.values,
                            params=active,
                            distributions={name: distributions[name] for name in active},
                            user_attrs=trial.user_attrs,
                            constraints=trial.constraints,
                        )
                    )
        return copy

    def _check(self, study_name: str, metadata: Mapping[str, str]) -> None:
        for name, value in metadata.items():
            known = self._study.user_attrs.get(name)
            if known is None:
                self._study.set_user_attr(name, value)
            elif known != value:
                raise UsageError(
                    f"study '{study_name}' was made with {name} {known!r}, not {value!r}; "
                    "take another study name or the former settings."
                )


@contextmanager
def _explained(storage: Path | str) -> Iterator[None]:
    """Turns what a database says into one sentence, without the password of its URL."""
    import optuna
    import sqlalchemy

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError, RuntimeError) as error:
        name = re.sub(r"://[^/]*@", "://***@", str(storage))
        reason = str(getattr(error, "orig", None) or error.__cause__ or error).splitlines()[0]
        raise UsageError(
            f"ledger '{name}' cannot be opened or written ({reason}); expected an SQLite file in an existing folder "
            "of a disk with room, or a database URL whose driver is installed."
        ) from error


def _open(storage: Path | str) -> "optuna.storages.RDBStorage":
    import sqlalchemy
    from optuna.storages import RDBStorage

    url = str(storage) if "://" in str(storage) else f"sqlite:///{Path(storage).absolute()}"
    if not url.startswith("sqlite"):
        return RDBStorage(url)
    opened = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
    sqlalchemy.event.listen(opened.engine, "connect", _write_ahead)
    opened.engine.dispose()
    return opened


def _write_ahead(connection: Any, _record: Any) -> None:
    """Readers and a writer side by side, one fsync a checkpoint instead of one a commit."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _study(storage: "optuna.storages.RDBStorage", study_name: str, objectives: Sequence[Objective]) -> "optuna.Study":
    import optuna

    maximise, minimise = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions = [maximise if objective.maximise else minimise for objective in objectives]
    with quiet_optuna():
        study = optuna.create_study(storage=storage, study_name=study_name, directions=directions, load_if_exists=True)
        if len(study.directions) == len(objectives):
            study.set_metric_names([objective.metric for objective in objectives])
    return study


def _jsonable(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Standard JSON has no NaN or infinity, so these are written as text."""
    return {name: float(value) if math.isfinite(value) else str(float(value)) for name, value in metrics.items()}


def _floats(metrics: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}
