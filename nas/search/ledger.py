"""What has been measured, so that nothing is measured twice."""

import hashlib
import json
import math
import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from nas.errors import UsageError
from nas.search.claims import Claims
from nas.search.objectives import Objective, objective_values
from nas.search.optuna_logging import quiet_optuna
from nas.search.storage import Storage
from nas.space import Architecture, Space

if TYPE_CHECKING:
    import optuna
    import pandas as pd

__all__ = ["Entry", "Key", "Ledger"]

_OPENING = ""
"""Name of the lock under which tables and studies are made."""


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
    """A measurement to be written.

    Attributes:
        metrics: what the evaluator measured.
        costs: what was known before.
        violations: constraint → its violation, 0 where satisfied.
    """

    key: Key
    architecture: Architecture
    metrics: Mapping[str, float]
    costs: Mapping[str, float] = MappingProxyType({})
    violations: Mapping[str, float] = MappingProxyType({})


class Ledger:
    """An Optuna study with one finished trial for each measurement; append-only, shared by all strategies.

    A trial holds the objectives as its values, the constraints, and as user attributes the key, the architecture,
    the metrics and the costs. Choices are not stored as parameters: forty of them cost 25 ms a trial instead of 4;
    :meth:`study` gives them where Optuna's importances are wanted. A measurement whose objectives are not finite is
    a failed trial.

    Several processes may use a study at once: each claims what it is going to evaluate, and writes under a lock, so
    that no key is there twice, whatever stops or dies. A database that goes away is waited for.

    Args:
        storage: path of an SQLite file, or a database URL of SQLAlchemy.
        study_name: one storage holds any number of studies.
        objectives: what the values are.
        metadata: guards against mixing, such as the fingerprint of the space; compared when the study exists.
        owner: who claims; the same text again, after a crash, has its claims back at once; by default always another.
        lease: seconds after which the claims of a process that died are free.
        patience: seconds during which a lost connection is tried again.

    Raises:
        UsageError: the storage cannot be opened, or the study was made for other objectives or metadata; from all
            methods that use the database: the connection was lost and did not come back.
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
        patience: float = 30.0,
    ) -> None:
        self.objectives = tuple(objectives)
        self._trials: dict[Key, optuna.trial.FrozenTrial] = {}
        self._read = 0
        self._name = study_name
        self._database = Storage(storage, patience)
        with self._database.explained():
            for lock in (_OPENING, study_name):
                self._database.create_lock(lock)
            with self._database.exclusive(_OPENING):
                self._claims = Claims(self._database, study_name, owner or _anybody(), lease)
                self._storage = self._database.open_optuna()
                self._study = _study(self._storage, study_name, self.objectives)
                self._check(study_name, {"objectives": "; ".join(map(str, self.objectives)), **(metadata or {})})
            self._take_in()

    def __len__(self) -> int:
        return len(self._trials)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the claims and lets go of the database; the ledger cannot be used afterwards."""
        self._claims.close()
        self._storage.remove_session()
        self._storage.engine.dispose()
        self._database.close()

    def refresh(self) -> None:
        """Takes in what other processes have added; of equal keys the first counts."""
        self._database.retried(self._take_in)

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
        """Writes one measurement, as :meth:`extend`."""
        self.extend([Entry(key, architecture, metrics, costs or {}, violations or {})])

    def claim(self, keys: Iterable[Key]) -> set[Key]:
        """Reserves what this owner is about to evaluate, until it is written or the ledger is closed.

        Returns:
            Those that nobody else is evaluating and that are not here, as of a :meth:`refresh` in between.
        """
        digests = {_digest(key): key for key in keys}

        def take() -> set[str]:
            with self._database.exclusive(self._name):
                taken = self._claims.take(digests)
            self._take_in()
            self._claims.drop({digest for digest in taken if digests[digest] in self._trials})
            return taken

        taken = self._database.retried(take) if digests else set()
        return {digests[digest] for digest in taken if digests[digest] not in self._trials}

    def extend(self, entries: Iterable[Entry]) -> None:
        """Writes measurements in order, each unless its key is there, and ends their claims.

        Raises:
            UsageError: an objective is neither a metric nor a cost (nothing is written then), or the storage cannot be
                written.
        """
        trials: dict[Key, optuna.trial.FrozenTrial] = {}
        for entry in entries:
            trials.setdefault(entry.key, self._trial(entry))

        def write() -> None:
            with self._database.exclusive(self._name) as confirm_lock:
                self._take_in()
                for key in [key for key in trials if key not in self._trials]:
                    confirm_lock()
                    self._study.add_trial(trials[key])
                self._claims.drop({_digest(key) for key in trials})
            self._take_in()

        if trials:
            with quiet_optuna():
                self._database.retried(write)

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

    def _take_in(self) -> None:
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials[self._read :]:
            if "key" not in trial.user_attrs:
                raise UsageError(
                    f"study '{self._name}' holds trial {trial.number}, which no ledger wrote; take another study name."
                )
            self._trials.setdefault(Key(*trial.user_attrs["key"]), trial)
        self._read = len(trials)

    def _trial(self, entry: Entry) -> "optuna.trial.FrozenTrial":
        import optuna

        together = {**entry.metrics, **entry.costs}
        finite = objective_values(self.objectives, together) is not None
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState.COMPLETE if finite else optuna.trial.TrialState.FAIL,
            values=[float(together[objective.metric]) for objective in self.objectives] if finite else None,
            user_attrs={
                "key": list(entry.key),
                "architecture": entry.architecture.to_json(),
                "metrics": _jsonable(entry.metrics),
                "costs": _jsonable(entry.costs),
            },
            constraints=dict(entry.violations),
        )

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


def _study(storage: "optuna.storages.RDBStorage", study_name: str, objectives: Sequence[Objective]) -> "optuna.Study":
    import optuna

    maximise, minimise = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions = [maximise if objective.maximise else minimise for objective in objectives]
    with quiet_optuna():
        study = optuna.create_study(storage=storage, study_name=study_name, directions=directions, load_if_exists=True)
        if len(study.directions) == len(objectives):
            study.set_metric_names([objective.metric for objective in objectives])
    return study


def _anybody() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"


def _digest(key: Key) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _jsonable(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Standard JSON has no NaN or infinity, so these are written as text."""
    return {name: float(value) if math.isfinite(value) else str(float(value)) for name, value in metrics.items()}


def _floats(metrics: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}
