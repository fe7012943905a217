"""Whether a search paid: its network beside plain ones of equal cost, all trained alike, inherited and afresh."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.delivery.conclusion import rewrite_result
from nas.delivery.networks import restore_trained
from nas.errors import UsageError
from nas.evaluation import Standalone, groups_of
from nas.evaluation.metrics import tally_of
from nas.evaluation.paired import paired_difference
from nas.files import write_file
from nas.latency.model import LatencyModel
from nas.retraining.delivered import Delivered
from nas.search import Constraint, near_bounds, scaled_alike
from nas.search.pool import metrics_of
from nas.setup.config import RunConfig
from nas.setup.finding import resuming
from nas.setup.folder import RunFolder
from nas.setup.origin import read_object
from nas.setup.own_code import naming_own_parts
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.streams import Stream, derive_seed, rng
from nas.tasks.intervals import Floats
from nas.training import Epoch
from nas.wording import counted

__all__ = ["control_run"]

_SETTINGS = "settings.json"
_DRAWN, _LEAST = 16, 0.9
"""Random networks of which one is taken, and the share of the chosen one's cost that they have at least."""


def control_run(
    folder: RunFolder,
    config: RunConfig,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains the chosen network of a finished run, the largest one scaled alike to its cost, and a random one of about
    that cost, each from inherited and from fresh weights, by one recipe.

    In structured pruning fresh weights often do as well (Liu et al., Rethinking the value of network pruning, 2019),
    and then the architecture is the result. Networks are kept in the run's folder ``controls``: asked for the same
    again, an interrupted call goes on, and one that has ended gives its result. ``best.json`` and ``report.html`` get
    it, too. All figures are of the part of the validation split that confirms.

    Args:
        config: of the run.
        epochs: of every training; by default those of the run's ``retraining``.
        seed: of the random network and of all trainings; by default that of the run.

    Returns:
        ``metric``, ``cost``, ``epochs``, ``seed``, ``examples``, ``networks`` (a row for each: ``network``, ``id``, the
        cost, the metric by ``inherited`` and ``fresh``, and ``architecture``), and ``differences``: ``one`` minus
        ``other`` with ``low`` and ``high``, the 95 % interval over examples.

    Raises:
        UsageError: the run is not finished, or has controls with other settings; or a network cannot be trained.
    """
    if folder.kind != "search" or not folder.is_complete:
        raise UsageError(f"run '{folder.name}' has no result of a search; finish it with: {resuming(folder)}")
    asked = {
        "epochs": config.retraining.epochs if epochs is None else epochs,
        "seed": config.seed if seed is None else seed,
    }
    with folder.lock():
        result = folder.read(folder.best, "best", "metric")
        place, delivered = folder.path / "controls", Delivered(folder)
        known: dict[str, Any] | None = delivered.record.get("controls")
        if _was_begun(place, {**asked, "chosen": result["best"]["id"]}) and known is not None:
            return known
        with naming_own_parts(config), folder.stage("controls"):
            found = _Controls(folder, config, place, asked, progress or Silent()).run(result["best"])
            delivered.keep({"controls": found})
            rewrite_result(Setup(config, folder.path), folder, delivered.put_into(result))
    return found


class _Controls:
    """The trainings, and what comes of them."""

    def __init__(
        self, folder: RunFolder, config: RunConfig, place: Path, asked: Mapping[str, int], progress: Progress
    ) -> None:
        self.folder, self.place, self.asked, self.progress = folder, place, asked, progress
        self.setup = Setup(config, folder.path)
        restore_trained(self.setup, folder)
        self.recipe = config.retraining.model_copy(update={"epochs": asked["epochs"]})
        inherits = self.setup.traits.needs_supernet and self.setup.searched is self.setup.supernet
        self.starts = ["inherited", "fresh"] if inherits else ["fresh"]

    def run(self, best: Mapping[str, Any]) -> dict[str, Any]:
        setup, chosen = self.setup, Architecture(best["architecture"])
        networks, results = self.networks(chosen), dict[tuple[str, str], Floats]()
        count = len(networks) * len(self.starts)
        rows = []
        with self.progress.task(f"Training {counted(count, 'network')} to compare with", count) as task:
            for name, architecture in networks.items():
                scores = {}
                for start in self.starts:
                    scores[start], results[name, start] = self.trained(architecture, start)
                    task.update(len(results))
                (costs,) = metrics_of(self.costs, [architecture], "costs")
                about = {"network": name, "id": architecture.id, setup.cost: costs[setup.cost], **scores}
                rows.append({**about, "architecture": json.loads(architecture.to_json())})
        return {
            "metric": setup.metric.name,
            "cost": setup.cost,
            **self.asked,
            "examples": len(setup.confirmation),
            "networks": rows,
            "differences": self.differences(results),
        }

    def networks(self, chosen: Architecture) -> dict[str, Architecture]:
        """What is trained, by name; a control that would be the chosen network is left out."""
        setup, seed = self.setup, self.asked["seed"]
        (costs,) = metrics_of(self.costs, [chosen], "costs")
        bound = Constraint(setup.cost, "<=", costs[setup.cost])
        found = {"chosen": chosen}
        scaled = scaled_alike(setup.space, [bound], self.costs)
        if scaled is not None and scaled != chosen:
            found["scaled alike"] = scaled
        near = near_bounds(setup.space, [bound], self.costs, derive_seed(seed, Stream.CONTROLS), _DRAWN, _LEAST)
        others = [each for each in (near.architectures if near else ()) if each not in found.values()]
        if others:
            found["random"] = others[int(rng(seed, Stream.CONTROLS).integers(len(others)))]
        return found

    def costs(self, architectures: Sequence[Architecture]) -> Any:
        """What the search went by: latency as predicted."""
        if not self.setup.needs_latency:
            return self.setup.cost_table(architectures)
        return LatencyModel.load(self.folder.predictor, self.setup).costs(architectures)

    def trained(self, architecture: Architecture, start: str) -> tuple[float, Floats]:
        """The metric of a network that was trained, and what each example says of it."""
        setup = self.setup

        def report(epoch: Epoch) -> None:
            self.folder.log("controls", network=architecture.id, start=start, **epoch)

        trainer = Standalone(setup.supernet, setup.data, self.recipe, self.asked["seed"], start == "inherited")
        network = trainer.train(architecture, self.place / f"{architecture.id}-{start}.safetensors", report)
        split = setup.confirmation
        batches = split.at(architecture).batches(setup.config.evaluation.batch_size)
        tally = tally_of(network, batches, setup.data.task, groups_of(split))
        return tally.metrics()[setup.metric.name], tally.results

    def differences(self, results: Mapping[tuple[str, str], Floats]) -> list[dict[str, Any]]:
        """Inherited less fresh weights of each network; then the chosen network less each control."""
        names = dict.fromkeys(name for name, _ in results)
        pairs = [((name, "inherited"), (name, "fresh")) for name in names if len(self.starts) > 1]
        pairs += [(("chosen", start), (name, start)) for start in self.starts for name in names if name != "chosen"]
        groups = groups_of(self.setup.confirmation)
        found = []
        for one, other in pairs:
            difference, low, high = paired_difference(results[one], results[other], groups)
            found.append({"one": list(one), "other": list(other), "difference": difference, "low": low, "high": high})
        return found


def _was_begun(place: Path, asked: Mapping[str, Any]) -> bool:
    """Whether an earlier call with these settings left something there; keeps them where none did.

    Raises:
        UsageError: one with other settings did.
    """
    file = place / _SETTINGS
    if not file.exists():
        place.mkdir(parents=True, exist_ok=True)
        write_file(file, json.dumps(asked, indent=2))
        return False
    stored = read_object(file, f"delete the folder {place} and give the same command")
    for name, value in asked.items():
        if stored.get(name) != value:
            raise UsageError(
                f"{place} holds controls with {name}={stored.get(name)!r}, but {value!r} is asked for; ask for the "
                "same, or delete that folder to begin again."
            )
    return True
