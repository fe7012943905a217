"""The last round of a search: a few of its networks train on by themselves, and the best of them is delivered."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from nas.delivery.networks import evaluated_network
from nas.evaluation import Standalone
from nas.retraining.entrants import Entrant
from nas.retraining.legs import Leg, rung_ends, rung_share
from nas.retraining.standings import Standings
from nas.setup.deadline import Timetable
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import Setup
from nas.setup.supernets import teacher_of
from nas.space import Architecture
from nas.streams import Stream, derive_seed
from nas.training import Epoch, Recipe
from nas.wording import counted

__all__ = ["Finish", "Finished"]

_PROBE_EPOCHS, _PROBE_STEPS, _PROBE_SHARE = 3, 3, 0.01
_FEWEST_EPOCHS = 6
"""Of a network that has a time, since it asks after each whether that is over."""


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
        standings = Standings(self.folder, self.setup.metric, entrants)
        for each in entrants:
            standings.score(each, "shared", partial(self._score_of, each, self._shared))
        unfinished = standings.best_first("shared", entrants, self.setup.cost)[0]
        as_shared = Finished(unfinished, self._shared(unfinished), False, standings.table)
        if self.timetable is not None and self.timetable.deadline.left == 0:
            return self._best_so_far(entrants, standings, as_shared)
        winner = self._halve(list(entrants), standings)
        network = self._to_the_end(winner, len(entrants), standings)
        end = standings.score(winner, "finished", partial(self._score, winner, network))
        if standings.is_better(standings.known(unfinished, "shared"), end):
            return as_shared._replace(table=standings.table)
        return Finished(winner, network, True, standings.table)

    def _best_so_far(self, entrants: Sequence[Entrant], standings: Standings, best: Finished) -> Finished:
        """The best of what checkpoints hold and of what the supernet has, where no time is left to train anything."""
        score = standings.known(best.entrant, "shared")
        for each in entrants:
            files = [self.folder.finished(each.architecture, part) for part in ("end", "rungs")]
            if latest := next((file for file in files if file.exists()), None):
                network = self._trainer(self.recipe, each.architecture).restored(each.architecture, latest)
                found = standings.score(each, "finished", partial(self._score, each, network))
                if standings.is_better(found, score):
                    best, score = Finished(each, network, True, []), found
        return best._replace(table=standings.table)

    def _halve(self, alive: list[Entrant], standings: Standings) -> Entrant:
        """The one that is left after all rungs."""
        ends = rung_ends(len(alive))
        if not ends:
            return alive[0]
        leg = standings.leg("rung", lambda: self._leg(self._examples(alive) * rung_share(len(alive))[0]))
        recipe = Leg(leg.epochs * ends[-1], leg.epoch_examples).recipe(self.recipe, self.rate, self.rate)
        for rung, end in enumerate(ends, 1):
            title = f"Finishing {counted(len(alive), 'network')}, rung {rung} of {len(ends)}"
            with self.progress.task(title, len(alive)) as task:
                for done, each in enumerate(alive, 1):
                    trained = partial(self._trained, recipe, end * leg.epochs)
                    standings.score(each, f"rung_{rung}", partial(self._score_of, each, trained))
                    task.update(done)
            alive = standings.best_first(f"rung_{rung}", alive, self.setup.cost)[: -(-len(alive) // 2)]
        return alive[0]

    def _to_the_end(self, winner: Entrant, entered: int, standings: Standings) -> nn.Module:
        """The network of the winner, which goes on from its last rung at a rate that falls to nothing."""
        share = 1 - rung_share(entered)[0] * (rung_ends(entered) or [0])[-1]
        leg = standings.leg("end", lambda: self._leg(self._examples([winner], share)))
        trainer = self._trainer(leg.recipe(self.recipe, self.rate, 0.0), winner.architecture)
        network = self._begun(winner, entered)
        with self.progress.task(f"Finishing {winner.row['id']} to the end", leg.epochs) as task:

            def report(epoch: Epoch) -> None:
                self.folder.log("finish", **epoch)
                self.folder.started.keep_seconds()
                task.update(epoch["epoch"] + 1, f"loss {epoch['loss']:.3f}")

            checkpoint = self.folder.finished(winner.architecture, "end")
            trainer.fit(winner.architecture, network, checkpoint, report, stop=self._is_over)
            if self._is_over():
                task.end("the time that was given is over")
        return network.eval()

    def _is_over(self) -> bool:
        return self.timetable is not None and self.timetable.last_round == 0

    def _begun(self, winner: Entrant, entered: int) -> nn.Module:
        """The network after its last rung, or with its first weights where there was none."""
        trainer = self._trainer(self.recipe, winner.architecture)
        if entered == 1:
            return trainer.begin(winner.architecture)
        return trainer.restored(winner.architecture, self.folder.finished(winner.architecture))

    def _trained(self, recipe: Recipe, until: int, entrant: Entrant) -> nn.Module:
        def report(_: Epoch) -> None:
            self.folder.started.keep_seconds()

        architecture = entrant.architecture
        trainer = self._trainer(recipe, architecture)
        return trainer.train(architecture, self.folder.finished(architecture), report, until).eval()

    def _shared(self, entrant: Entrant) -> nn.Module:
        return evaluated_network(self.setup, entrant.architecture)

    def _trainer(self, recipe: Recipe, architecture: Architecture) -> Standalone:
        setup = self.setup
        seed, share = derive_seed(setup.config.seed, Stream.FINISH), setup.config.finish.distillation
        pretrained = setup.problem.pretrained
        teacher = teacher_of(setup.config, setup.searched, setup.data, architecture, share, pretrained)
        return Standalone(setup.supernet, setup.data, recipe, seed, inherit=True, teacher=teacher)

    def _score(self, entrant: Entrant, network: nn.Module) -> float:
        return self.setup.evaluate(network, self.setup.deciding, entrant.architecture)[self.setup.metric.name]

    def _score_of(self, entrant: Entrant, network: Callable[[Entrant], nn.Module]) -> float:
        return self._score(entrant, network(entrant))

    def _leg(self, examples: float) -> Leg:
        """A leg of about so many examples."""
        size, fewest = self.recipe.batch_size, 1 if self.timetable is None else _FEWEST_EPOCHS
        return Leg.of(examples, self.setup.data.train.steps(size) * size, fewest)

    def _examples(self, alive: Sequence[Entrant], share: float = 1.0) -> float:
        """How many examples a network that goes to the end sees in all; of a timed run in what time is left.

        Args:
            alive: what is still to be trained.
            share: of that training which is still to be done, where one is left.
        """
        if self.timetable is None:
            size = self.recipe.batch_size
            return share * self.setup.finish_epochs * self.setup.data.train.steps(size) * size
        trained = rung_share(len(alive))[1]
        return max(1.0, self.timetable.last_round / self._seconds_per_example(alive[0].architecture) / trained)

    def _seconds_per_example(self, architecture: Architecture) -> float:
        """Measured on a network that is thrown away, for a hundredth of the time if a few steps take less."""
        assert self.timetable is not None
        roughly = self._probed(architecture, _PROBE_STEPS)
        steps = int(_PROBE_SHARE * self.timetable.last_round / (_PROBE_EPOCHS * roughly * self.recipe.batch_size))
        return roughly if steps <= _PROBE_STEPS else self._probed(architecture, steps)

    def _probed(self, architecture: Architecture, steps: int) -> float:
        """Seconds for an example, in epochs of so many steps of which the first does not count."""
        assert self.timetable is not None
        examples, times = steps * self.recipe.batch_size, list[float]()
        probe = Leg(_PROBE_EPOCHS, examples).recipe(self.recipe, self.rate, self.rate)
        clock = self.timetable.deadline.clock
        self._trainer(probe, architecture).train(architecture, on_epoch=lambda _: times.append(clock()))
        return (times[-1] - times[0]) / ((_PROBE_EPOCHS - 1) * examples)
