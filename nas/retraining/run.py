"""The best networks of a run trained with many recipes, and the best of all delivered."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nas.delivery.comparison import is_better
from nas.delivery.conclusion import rewrite_result
from nas.delivery.exported import ExportedNetwork, evaluate_file
from nas.delivery.networks import deliver, delivery_notes, restore_trained
from nas.delivery.rebuilding import put_weights
from nas.delivery.selection import searched_figure
from nas.distributed import connected, require
from nas.distributed.trials import TrialOutcome, require_shared_folder, run_trials
from nas.errors import UsageError
from nas.files import write_file
from nas.retraining.delivered import Delivered
from nas.retraining.plans import draw_plans
from nas.retraining.trial import Trainer, packed, standalone
from nas.setup.config import RunConfig
from nas.setup.finding import resuming
from nas.setup.folder import RunFolder
from nas.setup.origin import read_object
from nas.setup.own_code import naming_own_parts
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import LATENCY, Setup
from nas.setup.workers import gpus_each, travelling
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["retrain_run"]

_SETTINGS = "settings.json"


def retrain_run(
    folder: RunFolder,
    config: RunConfig,
    *,
    top: int = 5,
    trials: int = 20,
    epochs: int | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains the best networks of a finished run with many recipes; delivers the best if it beats what is delivered.

    The state is kept in the run's folder ``retrain``: asked for the same again, an interrupted retraining goes on where
    it was, and one that has ended gives its result. ``retrained.csv`` and ``.parquet`` get a row for each trial,
    ``best.onnx`` the network where it is better than the one that is there, which is kept under another name, and
    ``best.json`` what is known of both, ``best`` and ``former``, and of the training, ``retrained``, last of all.

    Args:
        config: of the run, with the place where the trials work.
        top: so many first rows of the front are trained.
        trials: how many trainings are begun; most are stopped early.
        epochs: of the longest training; by default those of the run's ``retraining``.
        seed: of the recipes and the trainings; by default that of the run.

    Returns:
        ``run``, ``metric``, ``retrained`` of ``best.json``, and ``trials``: a row for each.

    Raises:
        UsageError: the run is not finished, was retrained otherwise, or no trial came to an end.
    """
    config = config.model_copy(update={"ray": config.ray.model_copy(update={"measure_on": None})})
    _check(folder, {"top": top, "trials": trials, "epochs": epochs})
    with folder.lock():
        result = folder.read(folder.best)
        front = result["front"][:top]
        asked = {
            "trials": trials,
            "epochs": config.retraining.epochs if epochs is None else epochs,
            "seed": config.seed if seed is None else seed,
            "architectures": [row["id"] for row in front],
        }
        begun = _begun(folder, asked)
        is_recorded = (folder.path / "retrained.parquet").exists() and result.get("retrained", {}).get("begun") == begun
        if begun is None or not is_recorded:
            with naming_own_parts(config), folder.stage("retrain"):
                _Retraining(folder, config, front, asked, progress or Silent()).run(result)
    return _report(folder)


class _Retraining:
    """The trials of a run, then what comes of them."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        front: Sequence[Mapping[str, Any]],
        asked: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self.folder, self.config, self.progress = folder, config, progress
        self.front, self.asked, self.seed = front, asked, asked["seed"]
        self.setup = Setup(config, folder.path)
        restore_trained(self.setup, folder)
        self.plans = draw_plans(
            [row["architecture"] for row in front],
            config.retraining.model_copy(update={"epochs": asked["epochs"]}),
            self.setup.data,
            count=asked["trials"],
            seed=self.seed,
            can_inherit=self.setup.traits.needs_supernet and self.setup.searched is self.setup.supernet,
            can_distil=self.setup.has_teacher,
        )

    def run(self, result: Mapping[str, Any]) -> None:
        """Trains, writes the table, then the network if it is better, then what is known of it."""
        outcomes = self.train()
        self.folder.write_table("retrained", self.table(outcomes))
        begun, delivered = str(_begun(self.folder, self.asked)), Delivered(self.folder)
        if delivered.record.get("retrained", {}).get("begun") != begun:
            delivered.keep(self.compete(self.best(outcomes), begun, result))
        result = delivered.put_into(result)
        rewrite_result(self.setup, self.folder, result)

    def train(self) -> list[TrialOutcome]:
        """Every trial to its end, from where an interrupted call left it."""
        config, workers, count = self.config, self.config.workers, len(self.plans)
        cpus = config.ray.cpus_per_worker
        with connected(config.ray.address, cpus=(workers or 1) * cpus):
            gpus = gpus_each(self.setup, workers)
            require("workers", workers or 1, count=workers or 1, cpus=cpus, gpus=gpus)
            require_shared_folder(self.folder.path, "--results")
            _begin(self.folder, self.asked)
            with self.progress.task(
                f"Training {counted(len(self.front), 'network')} with {counted(count, 'recipe')}", count
            ) as task:
                return run_trials(
                    Trainer(travelling(config, gpus), packed(self.setup.searched), self.plans, self.seed),
                    [plan.recipe.epochs for plan in self.plans],
                    self.folder.retraining,
                    self.setup.metric,
                    workers=workers,
                    cpus=cpus,
                    gpus=gpus,
                    on_done=lambda done, epochs: task.update(done, counted(epochs, "epoch")),
                )

    def table(self, outcomes: Sequence[TrialOutcome]) -> "pd.DataFrame":
        """A row for each trial, the best first, those that failed last."""
        import pandas as pd

        rows = [self._row(outcome) for outcome in sorted(outcomes, key=self._rank)]
        return pd.DataFrame(rows)

    def best(self, outcomes: Sequence[TrialOutcome]) -> TrialOutcome:
        """The trial whose network validates best, be it stopped early or not."""
        winner = min(outcomes, key=self._rank)
        if winner.checkpoint is None:
            raise UsageError(f"every trial failed, the first with: {outcomes[0].error}")
        return winner

    def compete(self, winner: TrialOutcome, begun: str, result: Mapping[str, Any]) -> dict[str, Any]:
        """What is to be told of the winner, after its file and the former one are there if it is the better one.

        The part of the validation split that selects decides, by the files; the part that confirms gives the figures,
        ``before`` and ``after``. Only for a network that is delivered the test split is read.
        """
        setup, plan, name = self.setup, self.plans[winner.number], self.setup.metric.name
        assert winner.checkpoint is not None
        network = standalone(plan, setup.supernet, setup.data, self.seed).restored(plan.architecture, winner.checkpoint)
        found = next(row for row in self.front if row["architecture"] == plan.architecture)
        metrics = setup.evaluate(network, setup.confirmation, plan.architecture)
        row = {**found, **searched_figure(setup, found), **metrics}
        old = setup.inputs_of(result["best"]["architecture"])
        before = evaluate_file(setup, self.folder.onnx, old, setup.confirmation)[name]
        exported = ExportedNetwork(setup, network, self.folder.onnx, setup.inputs_of(plan.architecture))
        about = {
            **plan.model_dump(mode="json"),
            "trial": winner.number,
            "trials": len(self.plans),
            "epochs": winner.epochs,
            "state": winner.state,
            "seed": self.seed,
            "begun": begun,
        }
        compared = {"before": before, "after": exported.evaluate(setup.confirmation)[name]}
        if not is_better(setup, (exported.model, exported.inputs), (self.folder.onnx, old)):
            return {"retrained": {**row, **about, **compared, "delivered": False, "former": None}}
        best, former = self.deliver(network, winner.checkpoint, {**row, **about}, result)
        kept = former["file"]["name"]
        retrained = {**best, **compared, "delivered": True, "former": kept}
        largest, of_former = result["largest"], delivery_notes(setup, result["best"], result["largest"])
        notes = [each for each in result["notes"] if each not in of_former] + delivery_notes(setup, best, largest)
        return {"best": best, "former": former, "retrained": retrained, "notes": notes}

    def deliver(
        self, network: nn.Module, checkpoint: Path, row: Mapping[str, Any], result: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Writes file and weights beside those that are there, and keeps the former file; gives the rows of both."""
        folder, kept = self.folder, Delivered(self.folder)
        former = kept.former(row["begun"])
        write_file(former, folder.onnx.read_bytes())
        put_weights(folder.onnx, former)
        write_file(kept.weights(row["begun"]), checkpoint.read_bytes())
        largest_ms = result["largest"][LATENCY]
        best = deliver(self.setup, folder, network, row, largest_ms, self.progress, kept.file(row["begun"]))
        return _named(best, folder.onnx), _named(result["best"], former)

    def _rank(self, outcome: TrialOutcome) -> tuple[bool, float, int]:
        """Sorts the best first."""
        metric = self.setup.metric
        value = outcome.metrics.get(metric.name, 0.0)
        return outcome.checkpoint is None, -value if metric.maximise else value, outcome.number

    def _row(self, outcome: TrialOutcome) -> dict[str, Any]:
        plan = self.plans[outcome.number]
        recipe = plan.recipe
        return {
            "trial": outcome.number,
            "id": next(row["id"] for row in self.front if row["architecture"] == plan.architecture),
            "start": plan.start,
            "learning_rate": recipe.learning_rate,
            "weight_decay": recipe.weight_decay,
            "augmentation": plan.augmentation,
            "distillation": plan.distillation,
            "planned_epochs": recipe.epochs,
            "epochs": outcome.epochs,
            "state": outcome.state,
            self.setup.metric.name: outcome.metrics.get(self.setup.metric.name),
            **outcome.metrics,
            "seconds": round(outcome.seconds, 2),
            "error": outcome.error,
            "architecture": json.dumps(plan.architecture),
        }


def _named(row: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """What is known of a network, whose file is called otherwise now."""
    return {**row, "file": {**row["file"], "name": file.name}}


def _check(folder: RunFolder, counts: Mapping[str, int | None]) -> None:
    """Refuses runs without a result, and less than one of anything."""
    stored = folder.load_config()
    if folder.kind != "search":
        raise UsageError(f"run '{folder.name}' is a {folder.kind}, which has no networks to train; name a search.")
    if not folder.is_complete:
        raise UsageError(f"run '{folder.name}' has no result yet; finish it with: {resuming(folder)}")
    if (folder.retraining / "trials").exists() and not folder.is_own(stored):
        raise UsageError(
            f"{folder.retraining} was not made by you here, and holds a state of Ray Tune, which can run anything when "
            "it is read; delete it to begin again, or add --trust if you trust whoever made it."
        )
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name} is {count}; give 1 or more.")


def _begun(folder: RunFolder, asked: Mapping[str, Any]) -> str | None:
    """When the retraining with these settings was begun; None if there is none.

    Raises:
        UsageError: there is one with other settings.
    """
    file = folder.retraining / _SETTINGS
    if not file.exists():
        return None
    stored = read_object(file, f"delete the folder {folder.retraining} and give the same command", "begun")
    for name, value in asked.items():
        if stored.get(name) != value:
            raise UsageError(
                f"{folder.retraining} holds a retraining with {name}={stored.get(name)!r}, but {value!r} is asked for; "
                "ask for the same, or delete that folder to begin again."
            )
    return str(stored["begun"])


def _begin(folder: RunFolder, asked: Mapping[str, Any]) -> None:
    """Keeps the settings, unless an interrupted call has done so."""
    if _begun(folder, asked) is None:
        begun = time.strftime("%Y-%m-%dT%H:%M:%S")
        write_file(folder.retraining / _SETTINGS, json.dumps({"begun": begun, **asked}, indent=2))


def _report(folder: RunFolder) -> dict[str, Any]:
    """What the files say."""
    import pandas as pd

    result = folder.read(folder.best)
    file = folder.path / "retrained.parquet"
    try:
        trials = json.loads(pd.read_parquet(file).to_json(orient="records"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is damaged ({error}); delete it and give the same command again.") from None
    return {"run": folder.name, "metric": result["metric"], "retrained": result["retrained"], "trials": trials}
