"""Writers of a run's figures for TensorBoard, MLflow, Weights & Biases and Trackio, each in terms of its own package.

Where they keep runs is theirs to say, by the environment variables that their documentation names, such as
``MLFLOW_TRACKING_URI``, ``WANDB_ENTITY`` and ``TRACKIO_SPACE_ID``.
"""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from nas.errors import UsageError

__all__ = ["Tracker", "TrackerName", "check_trackers", "open_tracker"]

_PROJECT = "nas"
"""What runs are filed under where the environment names nothing else."""


class TrackerName(StrEnum):
    """What can be told the figures of a run; it is the name of its package, too."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"
    TRACKIO = "trackio"


class Tracker(Protocol):
    """Shows the figures of one run.

    Attributes:
        run: by which the tracker finds the run again.
    """

    run: str

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Figures of a stage, at an epoch or after so many candidates."""

    def close(self, finished: bool) -> None:
        """Nothing comes any more for now, since the run is finished or was interrupted."""


class _TensorBoard:
    """Event files in the folder ``tensorboard`` of the run."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run: str | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.run = "tensorboard"
        self._writer = SummaryWriter(str(folder / self.run))
        if run is None:
            rows = (f"| {name} | {value} |" for name, value in settings.items())
            self._writer.add_text("settings", "\n".join(["| setting | value |", "| --- | --- |", *rows]))

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{stage}/{name}", value, step)
        self._writer.flush()

    def close(self, finished: bool) -> None:
        self._writer.close()


class _MLflow:
    """A run in the experiment that ``MLFLOW_EXPERIMENT_NAME`` names, by default ``nas``."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run: str | None) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient()
        if run is not None:
            self.run = run
            self._client.update_run(run, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if found is None else found.experiment_id
        self.run = self._client.create_run(experiment, run_name=folder.name).info.run_id
        self._client.log_batch(self.run, params=[Param(key, str(value)) for key, value in settings.items()])

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(self.run, [Metric(f"{stage}/{name}", each, now, step) for name, each in values.items()])

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self.run, "FINISHED" if finished else "KILLED")


class _WeightsAndBiases:
    """A run in the project that ``WANDB_PROJECT`` names, by default ``nas``."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run: str | None) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=folder.name,
            dir=os.environ.get("WANDB_DIR", folder),
            config=dict(settings),
            id=run,
            resume=None if run is None else "allow",
            reinit="create_new",
            settings=wandb.Settings(console="off"),
        )
        self.run: str = self._run.id

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
        self._run.log({f"{stage}/step": step, **{f"{stage}/{name}": value for name, value in values.items()}})

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=int(not finished))


class _Trackio:
    """A run in the project that ``TRACKIO_PROJECT`` names, by default ``nas``; found again by its name alone."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run: str | None) -> None:
        import trackio

        self.run = run or f"{folder.name}-{secrets.token_hex(3)}"
        project = os.environ.get("TRACKIO_PROJECT", _PROJECT)
        how = "never" if run is None else "must"
        self._run = trackio.init(project, self.run, config=dict(settings), resume=how)

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._run.log({f"{stage}/{name}": value for name, value in values.items()}, step)

    def close(self, finished: bool) -> None:
        import trackio

        finish: Callable[[], object] = trackio.finish  # which says no types of its own
        finish()


_TRACKERS: Mapping[TrackerName, Callable[[Path, Mapping[str, Any], str | None], Tracker]] = {
    TrackerName.TENSORBOARD: _TensorBoard,
    TrackerName.MLFLOW: _MLflow,
    TrackerName.WANDB: _WeightsAndBiases,
    TrackerName.TRACKIO: _Trackio,
}


def open_tracker(name: TrackerName, folder: Path, settings: Mapping[str, Any], run: str | None = None) -> Tracker:
    """The tracker of a run, a new one unless it was opened before.

    Args:
        folder: of the run.
        settings: that the run was asked for, by keys with dots.
        run: what the tracker called it.
    """
    return _TRACKERS[name](folder, settings, run)


def check_trackers(names: list[TrackerName]) -> None:
    """Refuses trackers whose package is not installed.

    Raises:
        UsageError: one of them.
    """
    for name in names:
        found = find_spec(name)
        if found is None or found.origin is None:  # a folder that is called so is no package
            raise UsageError(
                f"track names '{name}', which is not installed; pip install 'nas-supernet[{name}]', or leave it out."
            )
