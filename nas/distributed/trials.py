"""Many trainings under Ray Tune, of which the worst are stopped early."""

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nas.distributed.cluster import ray_module
from nas.distributed.watch import signals_kept
from nas.errors import UsageError
from nas.tasks import Metric

__all__ = ["Report", "Train", "TrialOutcome", "require_shared_folder", "run_trials"]

Report = Callable[[int, Mapping[str, float]], None]
"""Told after every epoch how many are done, and the metrics of the network as it then is."""

Train = Callable[[int, Path, Report], None]
"""``train(number, checkpoint, report)`` carries out one trial where a worker runs: it continues from the checkpoint if
that file exists, and writes it before every report. What it raises as ``UsageError``, such as that the loss diverged,
ends this trial alone. Must be importable there."""

_NAME = "trials"
_FILE = "network.safetensors"
_RETRIES = 2
"""A trial that ends more often by an error, or by the death of its worker, is given up."""
_GRACE, _KEPT = 25, 2
"""Trials are compared after 25 % and 50 % of their own epochs, and those below the median stopped."""
_ANSWER_SECONDS = 60.0
_SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Of Tune, which takes them from the environment alone: say little, keep the state often, let trials fail."""


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Attributes:
        number: of the trial, from 0.
        state: "finished" all its epochs, "stopped" before since others did better, or "failed".
        epochs: that it was trained.
        seconds: that this took.
        metrics: of its network after the last epoch.
        checkpoint: file with that network; None if the trial failed.
        error: why it failed.
    """

    number: int
    state: Literal["finished", "stopped", "failed"]
    epochs: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    checkpoint: Path | None = None
    error: str | None = None


def run_trials(
    train: Train,
    epochs: Sequence[int],
    folder: Path,
    metric: Metric,
    *,
    workers: int | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    on_done: Callable[[int, int], None] | None = None,
) -> list[TrialOutcome]:
    """Carries out trials on the connected Ray; those that a killed call of the same kind has left are continued.

    Asynchronous successive halving (Li et al., 2020) compares trials by the share of their own epochs, since the
    learning rate of a short one has fallen further at the same epoch. Which trials there are is settled before the
    first begins and does not hang on results, so they are the same for any number of workers, and after a kill; which
    of them are stopped is not, since what was compared before a kill is not compared again.

    Args:
        epochs: of each trial; their number is that of the trials.
        folder: where Tune keeps its state, in ``trials``; all machines of the cluster must share it.
        metric: by which trials are compared; every report has it.
        workers: trials at a time; as many as there is room for by default.
        cpus: that Ray keeps for each trial.
        gpus: likewise; a trial sees no other GPU.
        on_done: told how many trials are done, and how many epochs of all have been trained.

    Returns:
        One outcome for each trial, in order.

    Raises:
        KeyboardInterrupt: Ctrl-C; what is done is kept.
    """
    tune = _tune()
    from ray.tune.schedulers import ASHAScheduler

    function = tune.with_parameters(_trial, train=train, epochs=list(epochs))
    watch = _watching(tune, len(epochs), on_done)
    with signals_kept(signal.SIGINT, signal.SIGUSR1), _quiet():
        analysis = tune.run(
            tune.with_resources(function, {"cpu": cpus, "gpu": gpus}),
            name=_NAME,
            storage_path=str(folder.resolve()),
            config={"number": tune.grid_search(list(range(len(epochs))))},
            metric=metric.name,
            mode="max" if metric.maximise else "min",
            scheduler=ASHAScheduler(time_attr="percent", max_t=100, grace_period=_GRACE, reduction_factor=2),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=_KEPT),
            max_concurrent_trials=workers,
            max_failures=_RETRIES,
            reuse_actors=True,
            raise_on_failed_trial=False,
            resume_config=_continuing(tune) if any((folder / _NAME).glob("experiment_state-*.json")) else None,
            trial_dirname_creator=_name_of,
            callbacks=[watch],
            verbose=0,
        )
    if watch.left:
        raise KeyboardInterrupt
    return sorted(map(_outcome, analysis.trials), key=lambda outcome: outcome.number)


def require_shared_folder(folder: Path, option: str) -> None:
    """Refuses a folder that some machine of the connected cluster does not share with this one.

    Args:
        folder: that exists here.
        option: what it was given as.

    Raises:
        UsageError: a machine does not see it, or does not answer within a minute.
    """
    ray = ray_module()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if len(nodes) < 2:
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".shared-", suffix=".tmp") as file:
        look = ray.remote(num_cpus=0)(os.path.exists)
        strategies = {node: NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes}
        asked = {look.options(scheduling_strategy=strategies[node]).remote(file.name): nodes[node] for node in nodes}
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)
        blind = [host for call, host in asked.items() if call not in answered or not _is_true(call)]
    if blind:
        raise UsageError(
            f"{option} is '{folder}', but machine {blind[0]} of the cluster does not see it; give a folder that all "
            "machines share."
        )


def _is_true(call: Any) -> bool:
    """What a remote call gave; False if it could not be made."""
    ray = ray_module()
    try:
        return bool(ray.get(call))
    except ray.exceptions.RayError:
        return False


def _tune() -> Any:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    ray_module()
    from ray import tune

    return tune


def _trial(config: Mapping[str, Any], train: Train, epochs: Sequence[int]) -> None:
    """Runs where a worker is; Tune gives it its last checkpoint and gets one after every epoch.

    A checkpoint that was removed in the moment of a kill is no loss: the trial begins again and ends alike.
    """
    tune, number = _tune(), config["number"]
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / _FILE
        last = tune.get_checkpoint()
        if last is not None and (kept := Path(last.path) / _FILE).exists():
            shutil.copyfile(kept, file)

        def report(done: int, metrics: Mapping[str, float]) -> None:
            extra = {"told": list(metrics), "epochs": done, "percent": 100 * done / epochs[number]}
            tune.report({**metrics, **extra}, checkpoint=tune.Checkpoint.from_directory(temporary))

        try:
            train(number, file, report)
        except UsageError as error:
            tune.report({"failed": str(error)})


def _continuing(tune: Any) -> Any:
    resume = tune.ResumeConfig.ResumeType.RESUME
    return tune.ResumeConfig(unfinished=resume, errored=resume)


def _name_of(trial: Any) -> str:
    return f"trial-{trial.config['number']}"


def _watching(tune: Any, count: int, on_done: Callable[[int, int], None] | None) -> Any:
    """Tune's callback that counts.

    Its ``left`` says whether trials were left when Tune ended: by then they have the status of those that were stopped.
    """

    class Watch(tune.Callback):
        def __init__(self) -> None:
            self.left = False
            self.reported: tuple[int, int] | None = None

        def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
            ended = sum(trial.status in ("TERMINATED", "ERROR") for trial in trials)
            epochs = sum(int((trial.last_result or {}).get("epochs", 0)) for trial in trials)
            self.left = ended < count
            if on_done is not None and self.reported != (ended, epochs):
                self.reported = ended, epochs
                on_done(ended, epochs)

    return Watch()


@contextmanager
def _quiet() -> Iterator[None]:
    """Tune prints tables and the errors of trials, which outcomes tell."""
    logger = logging.getLogger("ray.tune")
    before, logger.level = logger.level, logging.CRITICAL
    try:
        yield
    finally:
        logger.level = before


def _outcome(trial: Any) -> TrialOutcome:
    """What Tune knows of a trial."""
    last = trial.last_result or {}
    number, epochs, seconds = trial.config["number"], int(last.get("epochs", 0)), float(last.get("time_total_s", 0.0))
    error = _last_line(trial.get_error()) if trial.status == "ERROR" else last.get("failed")
    if error or trial.checkpoint is None:
        return TrialOutcome(number, "failed", epochs, seconds, error=error or "it ended before its first epoch did")
    metrics = {name: last[name] for name in last["told"]}
    state: Literal["finished", "stopped"] = "finished" if last["percent"] >= 100 else "stopped"
    return TrialOutcome(number, state, epochs, seconds, metrics, Path(trial.checkpoint.path) / _FILE)


def _last_line(error: Exception | str | None) -> str:
    """Of a traceback: what went wrong."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else "its worker died"
