"""The results of all evaluations, so that nothing is evaluated twice."""

import hashlib
import json
import math
import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from nas.errors import UsageError
from nas.search.claims import Claims
from nas.search.objectives import Objective, objective_values
from nas.search.optuna_logging import only_optuna_warnings
from nas.search.storage import Storage
from nas.space import Architecture, Space

if TYPE_CHECKING:
    import optuna
    import pandas as pd

__all__ = ["Entry", "Ledger", "ResultIdentity", "ResultKey"]

_CREATION_LOCK = ""
"""Name of the lock under which tables and studies are created."""


@dataclass(frozen=True)
class ResultIdentity:
    """What two evaluations of an architecture must agree in to have the same result.

    Attributes:
        evaluator: its name and options.
        fidelity: how thorough it is, such as "epochs=10".
        seed: of the evaluator.
        weights: hash of the inherited weights; empty without any.
    """

    evaluator: str = ""
    fidelity: str = ""
    seed: int = 0
    weights: str = ""


class ResultKey(NamedTuple):
    """What a result is stored under: an architecture, by its :attr:`~nas.space.Architecture.key`, and the identity.

    A study stores it as a list of five values.
    """

    architecture: str
    identity: ResultIdentity = ResultIdentity()

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> "ResultKey":
        architecture, *identity = values
        return cls(architecture, ResultIdentity(*identity))

    def to_list(self) -> list[Any]:
        return [self.architecture, *astuple(self.identity)]


class Entry(NamedTuple):
    """A result to be written.

    Attributes:
        metrics: what the evaluator computed.
        costs: the cheap metrics, known before.
        violations: constraint → its violation, 0 if satisfied.
    """

    key: ResultKey
    architecture: Architecture
    metrics: Mapping[str, float]
    costs: Mapping[str, float] = MappingProxyType({})
    violations: Mapping[str, float] = MappingProxyType({})


class Ledger:
    """An Optuna study with one finished trial for each result; append-only, shared by all strategies.

    The values of a trial are the objectives. It also holds the constraints and, as user attributes, the key, the
    architecture, the metrics and the costs. Choices are not stored as parameters, since forty of them take 25 ms a
    trial instead of 4; use :meth:`study` for Optuna's importances. A result whose objectives are not finite is a
    failed trial.

    Several processes may use a study at once. Each claims what it is going to evaluate and writes under a lock, so
    that no key is stored twice, even if a process is stopped or dies. A lost connection is opened again.

    Args:
        storage: path of an SQLite file, or a database URL of SQLAlchemy.
        study_name: a storage can hold any number of studies.
        objectives: of the search.
        metadata: what must be the same whenever the study is opened, such as the fingerprint of the space.
        owner: of the claims. A process that opens the ledger as the same owner, such as after a crash, can evaluate
            what it had claimed at once. A new owner by default.
        lease: seconds after which the claims of a dead process expire.
        retry_seconds: for how long to try to open a lost connection again.

    Raises:
        UsageError: the storage cannot be opened, or the study was created with other objectives or metadata. All
            methods that use the database also raise it if the connection is lost and cannot be opened again.
    """

    def __init__(
        self,
        storage: Path | str,
        study_name: str,
        objectives: Sequence[Objective],
        metadata: Mapping[str, str] | None = None,
        owner: str | None = None,
        *,
        lease: float = 30.0,
        retry_seconds: float = 30.0,
    ) -> None:
        self.objectives = tuple(objectives)
        self._trials: dict[ResultKey, optuna.trial.FrozenTrial] = {}
        self._trials_read = 0
        self._name = study_name
        self._database = Storage(storage, retry_seconds)
        with self._database.explained():
            for lock in (_CREATION_LOCK, study_name):
                self._database.create_lock(lock)
            with self._database.locked(_CREATION_LOCK):
                self._claims = Claims(self._database, study_name, owner or _new_owner(), lease)
                self._storage = self._database.open_optuna()
                self._study = _study(self._storage, study_name, self.objectives)
                self._check_metadata({"objectives": "; ".join(map(str, self.objectives)), **(metadata or {})})
            self._read_new_trials()

    def __len__(self) -> int:
        return len(self._trials)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the claims and closes the connections; the ledger cannot be used afterwards."""
        self._claims.close()
        self._storage.remove_session()
        self._storage.engine.dispose()
        self._database.close()

    def refresh(self) -> None:
        """Reads the results that other processes have written since; of equal keys the first counts."""
        self._database.retried(self._read_new_trials)

    def get(self, key: ResultKey) -> dict[str, float] | None:
        """The metrics stored under a key, without the costs; None if there are none yet."""
        trial = self._trials.get(key)
        return None if trial is None else _floats(trial.user_attrs["metrics"])

    def claim(self, keys: Iterable[ResultKey]) -> set[ResultKey]:
        """Claims what this owner is about to evaluate, until its result is written or the ledger is closed.

        Returns:
            The keys that no other owner has claimed and that have no result, after a :meth:`refresh`.
        """
        digests = {_digest(key): key for key in keys}

        def acquire() -> set[str]:
            with self._database.locked(self._name):
                acquired = self._claims.acquire(digests)
            self._read_new_trials()
            self._claims.release({digest for digest in acquired if digests[digest] in self._trials})
            return acquired

        acquired = self._database.retried(acquire) if digests else set()
        return {digests[digest] for digest in acquired if digests[digest] not in self._trials}

    def extend(self, entries: Iterable[Entry]) -> None:
        """Writes results in order, except those whose key has a result already, and releases their claims.

        Raises:
            UsageError: an objective is neither a metric nor a cost (then nothing is written), or the storage cannot be
                written.
        """
        trials: dict[ResultKey, optuna.trial.FrozenTrial] = {}
        for entry in entries:
            trials.setdefault(entry.key, self._trial(entry))

        def write() -> None:
            with self._database.locked(self._name) as confirm_lock:
                self._read_new_trials()
                for key in [key for key in trials if key not in self._trials]:
                    confirm_lock()
                    self._study.add_trial(trials[key])
                self._claims.release({_digest(key) for key in trials})
            self._read_new_trials()

        if trials:
            with only_optuna_warnings():
                self._database.retried(write)

    def table(self) -> "pd.DataFrame":
        """A row for each result in the order written: number, id, architecture, identity, metrics, costs."""
        import pandas as pd

        rows = [
            {
                "number": trial.number,
                "id": Architecture.from_json(trial.user_attrs["architecture"]).id,
                "architecture": trial.user_attrs["architecture"],
                **asdict(key.identity),
                **_floats(trial.user_attrs["metrics"]),
                **_floats(trial.user_attrs["costs"]),
            }
            for key, trial in self._trials.items()
        ]
        columns = ["number", "id", "architecture", *(field.name for field in fields(ResultIdentity))]
        return pd.DataFrame(rows, columns=None if rows else columns)

    def study(self, space: Space) -> "optuna.Study":
        """A copy in memory of the complete trials, with the active choices as parameters.

        For Optuna's importances and plots.
        """
        import optuna

        distributions = {
            name: optuna.distributions.CategoricalDistribution(range(len(candidates)))
            for name, candidates in space.choices.items()
        }
        with only_optuna_warnings():
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

    def _read_new_trials(self) -> None:
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials[self._trials_read :]:
            if "key" not in trial.user_attrs:
                raise UsageError(
                    f"study '{self._name}' holds trial {trial.number}, which no ledger wrote; use another study name."
                )
            self._trials.setdefault(ResultKey.from_list(trial.user_attrs["key"]), trial)
        self._trials_read = len(trials)

    def _trial(self, entry: Entry) -> "optuna.trial.FrozenTrial":
        import optuna

        metrics = {**entry.metrics, **entry.costs}
        finite = objective_values(self.objectives, metrics) is not None
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState.COMPLETE if finite else optuna.trial.TrialState.FAIL,
            values=[float(metrics[objective.metric]) for objective in self.objectives] if finite else None,
            user_attrs={
                "key": entry.key.to_list(),
                "architecture": entry.architecture.to_json(),
                "metrics": _jsonable(entry.metrics),
                "costs": _jsonable(entry.costs),
            },
            constraints=dict(entry.violations),
        )

    def _check_metadata(self, metadata: Mapping[str, str]) -> None:
        """Stores what a new study is created with; compares it with that of an existing study."""
        for name, value in metadata.items():
            stored = self._study.user_attrs.get(name)
            if stored is None:
                self._study.set_user_attr(name, value)
            elif stored != value:
                raise UsageError(
                    f"study '{self._name}' was created with {name} {stored!r}, not {value!r}; "
                    "use another study name or the former settings."
                )


def _study(storage: "optuna.storages.RDBStorage", study_name: str, objectives: Sequence[Objective]) -> "optuna.Study":
    import optuna

    maximise, minimise = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions = [maximise if objective.maximise else minimise for objective in objectives]
    with only_optuna_warnings():
        study = optuna.create_study(storage=storage, study_name=study_name, directions=directions, load_if_exists=True)
        if len(study.directions) == len(objectives):
            study.set_metric_names([objective.metric for objective in objectives])
    return study


def _new_owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"


def _digest(key: ResultKey) -> str:
    return hashlib.sha256(json.dumps(key.to_list()).encode()).hexdigest()


def _jsonable(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Standard JSON has no NaN or infinity, so these are written as text."""
    return {name: float(value) if math.isfinite(value) else str(float(value)) for name, value in metrics.items()}


def _floats(metrics: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}
