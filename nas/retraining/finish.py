"""The last round of a search: a few of its networks train on by themselves, and the best of them is delivered."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from nas.delivery.networks import evaluated_network
from nas.evaluation import Standalone
from nas.files import write_file
from nas.retraining.entrants import Entrant
from nas.retraining.legs import Leg, rung_ends, rung_share
from nas.setup.deadline import Timetable
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.streams import Stream, derive_seed
from nas.training import Epoch, Recipe
from nas.wording import counted

__all__ = ["Finish", "Finished"]

_PROBE_STEPS = 4
_LAST_RATE = 0.5
"""Of the learning rate of the rungs, from which the winner's falls to the end."""


class Finished(NamedTuple):
    """What came of the last round.

    Attributes:
        entrant: whose network is delivered.
        network: in evaluation mode.
        trained: whether it trained on; else it is as the supernet has it.
        table: of all that entered: ``id``, ``origin``, ``shared_`` and the metric before, and the metric after each
            rung and at the end, on the part of the validation split that chooses here.
    """

    entrant: Entrant
    network: nn.Module
    trained: bool
    table: list[dict[str, Any]]


class Finish:
    """Successive halving (Jamieson and Talwalkar, 2016) over networks that begin with what they inherited.

    All train a while at a constant rate; after each rung the better half goes on. The one that is left trains to the
    end, its rate falling. What is delivered is the better of this one and the best as the supernet has it, so a last
    round that is too short does no harm. A part of the validation split decides that the search has not seen.

    Args:
        setup: of the run, its evaluator trained.
        folder: where checkpoints and lengths are kept, so that a killed round goes on to the same end.
        timetable: of a run that was given a time; otherwise the winner has as many epochs as the settings say.
    """

    def __init__(self, setup: Setup, folder: RunFolder, progress: Progress, timetable: Timetable | None = None) -> None:
        self.setup, self.folder, self.progress, self.timetable = setup, folder, progress, timetable
        self.recipe = setup.config.retraining
        self.rate = self.recipe.learning_rate * setup.config.finish.rate

    def run(self, entrants: Sequence[Entrant]) -> Finished:
        """Trains what :func:`nas.retraining.entrants.choose_entrants` gave."""
        name, maximise = self.setup.metric.name, self.setup.metric.maximise
        table: dict[str, dict[str, Any]] = {}
        for each in entrants:
            shared = self._score(each, evaluated_network(self.setup, each.architecture))
            table[each.row["id"]] = {"id": each.row["id"], "origin": each.origin, f"shared_{name}": shared}

        def best_first(column: str, of: Sequence[Entrant]) -> list[Entrant]:
            def key(each: Entrant) -> tuple[float, float]:
                value = table[each.row["id"]][column]
                return (-value if maximise else value), each.row[self.setup.cost]

            return sorted(of, key=key)

        unfinished = best_first(f"shared_{name}", entrants)[0]
        if self.timetable is not None and self.timetable.deadline.left == 0:
            return self._so_far(unfinished, entrants, table)
        winner = self._halve(list(entrants), table, best_first)
        network = self._to_the_end(winner, len(entrants))
        end = table[winner.row["id"]][f"finished_{name}"] = self._score(winner, network)
        before = table[unfinished.row["id"]][f"shared_{name}"]
        if (end < before) if maximise else (end > before):
            network = evaluated_network(self.setup, unfinished.architecture)
            return Finished(unfinished, network, False, list(table.values()))
        return Finished(winner, network, True, list(table.values()))

    def _so_far(
        self, unfinished: Entrant, entrants: Sequence[Entrant], table: Mapping[str, dict[str, Any]]
    ) -> Finished:
        """The best of what checkpoints hold and of what the supernet has, where no time is left to train anything."""
        name, sign = self.setup.metric.name, 1 if self.setup.metric.maximise else -1
        best = Finished(unfinished, evaluated_network(self.setup, unfinished.architecture), False, list(table.values()))
        score = sign * table[unfinished.row["id"]][f"shared_{name}"]
        for each in entrants:
            for part in ("rungs", "end"):
                kept = self.folder.finished(each.architecture, part)
                if not kept.exists():
                    continue
                network = self._trainer(self.recipe).restored(each.architecture, kept)
                found = table[each.row["id"]][f"finished_{name}"] = self._score(each, network)
                if sign * found > score:
                    best, score = best._replace(entrant=each, network=network, trained=True), sign * found
        return best

    def _halve(
        self,
        alive: list[Entrant],
        table: Mapping[str, dict[str, Any]],
        best_first: Callable[[str, Sequence[Entrant]], list[Entrant]],
    ) -> Entrant:
        ends = rung_ends(len(alive))
        if not ends:
            return alive[0]
        leg = self._kept("rung", lambda: self._examples(alive) * rung_share(len(alive))[0])
        recipe = Leg(leg.epochs * ends[-1], leg.epoch_examples).recipe(self.recipe, self.rate, self.rate)
        for rung, end in enumerate(ends):
            column = f"rung_{rung + 1}_{self.setup.metric.name}"
            title = f"Finishing {counted(len(alive), 'network')}, rung {rung + 1} of {len(ends)}"
            with self.progress.task(title, len(alive)) as task:
                for done, each in enumerate(alive, 1):
                    network = self._trained(each, recipe, until=end * leg.epochs)
                    table[each.row["id"]][column] = self._score(each, network)
                    task.update(done)
            alive = best_first(column, alive)[: -(-len(alive) // 2)]
        return alive[0]

    def _to_the_end(self, winner: Entrant, entered: int) -> nn.Module:
        """The network of the winner, which goes on from its last rung at a rate that falls to nothing."""
        kept = self.folder.finished(winner.architecture, "end")
        share = 1 - rung_share(entered)[0] * (rung_ends(entered) or [0])[-1]
        leg = self._kept("end", lambda: self._examples([winner], share))
        rate = self.rate * (_LAST_RATE if entered > 1 else 1.0)
        trainer = self._trainer(leg.recipe(self.recipe, rate, self.recipe.final_learning_rate))
        network = self._begun(winner, entered)
        with self.progress.task(f"Finishing {winner.row['id']} to the end", leg.epochs) as task:

            def report(epoch: Epoch) -> None:
                self.folder.log("finish", **epoch)
                self.folder.started.keep_seconds()
                task.update(epoch["epoch"] + 1, f"loss {epoch['loss']:.3f}")

            trainer.fit(winner.architecture, network, kept, report)
        return network.eval()

    def _begun(self, winner: Entrant, entered: int) -> nn.Module:
        """The network after its last rung, or with its first weights where there was none."""
        if entered == 1:
            return self._trainer(self.recipe).begin(winner.architecture)
        return self._trainer(self.recipe).restored(winner.architecture, self.folder.finished(winner.architecture))

    def _trained(self, entrant: Entrant, recipe: Recipe, until: int) -> nn.Module:
        def report(_: Epoch) -> None:
            self.folder.started.keep_seconds()

        architecture = entrant.architecture
        return self._trainer(recipe).train(architecture, self.folder.finished(architecture), report, until).eval()

    def _trainer(self, recipe: Recipe) -> Standalone:
        setup = self.setup
        seed = derive_seed(setup.config.seed, Stream.FINISH)
        return Standalone(setup.supernet, setup.data, recipe, seed, inherit=setup.config.retrain != "fresh")

    def _score(self, entrant: Entrant, network: nn.Module) -> float:
        architecture = entrant.architecture
        return self.setup.evaluate(network, self.setup.deciding, architecture)[self.setup.metric.name]

    def _kept(self, name: str, examples: Callable[[], float]) -> Leg:
        """The length of a part, as it was decided when the run first came there."""
        file = self.folder.path / "finish.json"
        known: dict[str, Any] = self.folder.read(file) if file.exists() else {}
        if name not in known:
            known[name] = Leg.of(examples(), self._available).as_dict()
            write_file(file, json.dumps(known, indent=2))
        return Leg(**known[name])

    @property
    def _available(self) -> int:
        """Examples of a whole epoch."""
        return self.setup.data.train.steps(self.recipe.batch_size) * self.recipe.batch_size

    def _examples(self, alive: Sequence[Entrant], share: float = 1.0) -> float:
        """How many examples a network that goes to the end sees in all; of a timed run in what time is left.

        Args:
            alive: what is still to be trained.
            share: of that training which is still to be done, where one is left.
        """
        if self.timetable is None:
            return share * self.setup.finish_epochs * self._available
        trained = rung_share(len(alive))[1]
        each = self._seconds_per_example(alive[0].architecture)
        return max(1.0, self.timetable.last_round / each / trained)

    def _seconds_per_example(self, architecture: Architecture) -> float:
        """Measured on a network that is thrown away."""
        assert self.timetable is not None
        size = self.recipe.batch_size
        probe = Leg(3, _PROBE_STEPS * size).recipe(self.recipe, self.rate, self.rate)
        times: list[float] = []
        clock = self.timetable.deadline.clock
        self._trainer(probe).train(architecture, on_epoch=lambda _: times.append(clock()))
        return (times[-1] - times[0]) / (2 * _PROBE_STEPS * size)
