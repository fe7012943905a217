"""A search run from data to the best network, in stages that can each be killed and continued."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.costs import StaticCosts
from nas.delivery.checks import check_delivered, check_networks, check_scores
from nas.delivery.conclusion import write_result
from nas.delivery.exported import ExportedNetwork, check_dtype
from nas.delivery.networks import deliver, delivery_notes, evaluated_network, final_network
from nas.delivery.result import SearchResult
from nas.delivery.selection import as_selected, confirm, random_choice, searched_figure, select, tested, without_figures
from nas.errors import UsageError
from nas.files import write_file
from nas.latency.budget import run_budget, unbounded
from nas.latency.feasibility import check_constraints
from nas.latency.finalists import Finalists, measure_finalists
from nas.latency.fitting import fit_latency
from nas.latency.model import LatencyModel
from nas.retraining.delivered import Delivered
from nas.retraining.entrants import choose_entrants
from nas.retraining.finish import Finish, Finished
from nas.runs.candidates import Prospects
from nas.runs.ledgers import open_ledger
from nas.runs.model_notes import evaluator_notes, largest_notes, pretrained_notes
from nas.runs.plan import Plan, deadline_of, planned
from nas.runs.proposing import collapse_of, derive_final, learnt_by
from nas.runs.scores_by_epoch import with_scores
from nas.runs.searching import Searching, evaluate_largest
from nas.runs.sharing_notes import banks_notes, budget_notes, storage_notes, ties_notes
from nas.search import Constraint
from nas.setup.config import RunConfig
from nas.setup.deadline import Timetable
from nas.setup.folder import RunFolder
from nas.setup.own_code import naming_own_parts
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import LATENCY, Setup
from nas.setup.supernets import find_device, read_data
from nas.setup.trackers import check_trackers
from nas.setup.tracking import tracked
from nas.setup.what_varies import tell_what_varies
from nas.setup.workers import evaluation, place_of, reserved, train_elsewhere
from nas.space import Architecture
from nas.training import Epoch, read_header, save_untrained, total_epochs, train_phases

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

__all__ = ["run_search"]

_MOST_CHECKED = 6


def run_search(
    config: RunConfig,
    folder: RunFolder,
    progress: Progress | None = None,
    begun: tuple[float, float] | None = None,
    hurry: bool = False,
) -> dict[str, Any]:
    """Profiles, trains, searches, measures, exports and reports; what is already there is not done again.

    Args:
        begun: what :func:`time.perf_counter` and :func:`time.process_time` showed when the time of a run that is given
            one began; now by default.
        hurry: the time of a run that was given one is over now: it delivers what is there.

    Returns:
        The run's result: run, space, method, best, largest, front, seconds.

    Raises:
        UsageError: the configuration cannot be carried out.
    """
    progress = progress or Silent()
    check_dtype(config)
    check_trackers(config.track)
    with naming_own_parts(config):
        deadline, plan, timetable, data = deadline_of(config, folder, begun), None, None, None
        if deadline is not None:
            folder.started.clock = deadline.clock
            data = read_data(config, find_device(config.device))
            config, plan = planned(config, folder, deadline, data)
            progress.say(str(plan))
        setup = Setup(config, folder.path, data)
        with place_of(config), reserved(setup):
            check_constraints(setup, progress=progress)
            check_networks(setup)
            _check_training(setup)
            if config.storage is not None:
                open_ledger(setup, folder).close()
            with folder.begin(config), tracked(config, folder, progress):
                if not folder.is_complete:
                    if deadline is not None and plan is not None:
                        plan.keep(folder)
                        timetable = plan.timetable(deadline)
                        if hurry:
                            deadline.end()
                    tell_what_varies(setup.supernet, folder, progress)
                    _Stages(setup, folder, progress, plan, timetable).run()
    return folder.result


def _check_training(setup: Setup) -> None:
    """Refuses a space, recipe or task that the method cannot train, before anything is measured; gates that learn
    to keep a budget do so when they know it."""
    learns_budget = setup.is_differentiable and setup.method.needs_budget
    if setup.traits.needs_supernet and setup.method.trains and not learns_budget:
        setup.phases(unbounded(setup))
    if setup.finishing and setup.config.finish.distillation and not setup.has_teacher:
        raise UsageError(
            f"finish.distillation is {setup.config.finish.distillation:g}, but nothing trains the largest network, "
            "which would teach and which the constraints forbid; add --set train_on=all, or leave it out."
        )


class _Stages:
    """The stages in order, and what each hands to the next."""

    def __init__(
        self,
        setup: Setup,
        folder: RunFolder,
        progress: Progress,
        plan: Plan | None = None,
        timetable: Timetable | None = None,
    ) -> None:
        self.setup, self.folder, self.progress, self.plan, self.timetable = setup, folder, progress, plan, timetable
        self.latency: LatencyModel | None = None
        self.learnt: Mapping[str, Any] | None = None
        self.finished: Finished | None = None
        self.notes: list[str] = []

    def run(self) -> None:
        stage, history = self.folder.stage, list[Epoch]()
        self.note(*self.setup.data.notes, *largest_notes(self.setup.supernet), *evaluator_notes(self.setup))
        self.note(*pretrained_notes(self.setup))
        with stage("profile"):
            constraints = self.profile()
            self.prospects = Prospects(self.setup, constraints, self.costs, self.plan)
        if self.setup.traits.needs_supernet:
            with stage("train"):
                history = self.train()
                self.note(*banks_notes(history))
            with stage("derive"):
                self.derive(history)
        with evaluation(self.setup) as evaluate:
            with stage("search"):
                largest = evaluate_largest(self.setup, evaluate, self.costs, self.prospects.largest_is_trained)
                bounds = [constraint.resolve(largest) for constraint in constraints]
                searching = Searching(
                    self.setup, self.folder, self.progress, self.costs, bounds, evaluate, self.is_over
                )
                candidates = searching.search(self.learnt, self.prospects.first)
            with stage("baseline"):
                draws = searching.draw(candidates)
                if self.setup.config.random_baseline != 0 and not len(draws):
                    self.note("Not one random draw can be used, so nothing tells what luck finds.")
                self.folder.write_table("random", as_selected(self.setup, draws))
        with stage("measure"):
            finalists = self.measure(candidates, largest)
        if self.setup.finishing:
            with stage("finish"):
                self.finish(finalists)
        with stage("export"):
            result = self.export(finalists, draws)
        with stage("report"):
            candidates, draws = (as_selected(self.setup, each) for each in (candidates, draws))
            write_result(self.setup, self.folder, result, candidates, draws, history, self.latency)

    def note(self, *sentences: str) -> None:
        """Says them now, and in the result."""
        self.notes += sentences
        for sentence in sentences:
            self.progress.say(sentence)

    def profile(self) -> list[Constraint]:
        """Fits the latency predictor if the search needs one; gives the constraints, those on costs absolute."""
        if self.setup.needs_latency:
            self.latency = fit_latency(self.setup, self.folder, self.progress)
        return check_constraints(self.setup, self.costs)

    def costs(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """Everything that is known about architectures without running them."""
        return self.latency.costs(architectures) if self.latency else self.setup.cost_table(architectures)

    def train(self) -> list[Epoch]:
        """Trains the supernet, from its last checkpoint if there is one."""
        setup = self.setup
        if not setup.method.trains:
            self.take_untrained()
            return []
        budget = run_budget(setup, self.latency) if setup.method.needs_budget else None
        feasible = self.prospects.trained
        phases = with_scores(setup, setup.phases(budget, feasible), feasible or setup.space)
        self.epochs, self.step = total_epochs(phases), phases[-1].step
        if setup.config.supernet is None:
            self.note(*ties_notes(setup.searched.sharing), *budget_notes(setup.searched.sharing, phases))
        self.take_supernet()
        self.keep()
        with self.progress.task(f"Training the supernet ({setup.method.name})", self.epochs) as task:

            def report(epoch: Epoch) -> None:
                self.keep()
                self.folder.log("train", **epoch)
                self.folder.started.keep_seconds()
                task.update(epoch["epoch"] + 1, f"loss {epoch['loss']:.3f}")

            train_elsewhere(setup, self.folder.supernet, budget, feasible, report)
            history = train_phases(
                phases,
                seed=setup.config.seed_of_training,
                checkpoint=self.folder.supernet,
                on_epoch=report,
                stop=self.is_late,
            )
            if len(history) < self.epochs:
                task.end("the time for training is over")
            return history

    @property
    def is_over(self) -> bool:
        """Whether no time is left, of what the run was given."""
        return self.timetable is not None and self.timetable.deadline.left == 0

    def take_supernet(self) -> None:
        """Copies the supernet of another run, if this one searches that."""
        source = self.setup.config.supernet
        if source is None:
            return
        if not self.folder.supernet.exists():
            write_file(self.folder.supernet, RunFolder(source).supernet.read_bytes())
        constraints, trained_for = " and ".join(self.setup.config.constraints), self.setup.config.train_for
        if trained_for and constraints not in trained_for:
            self.note(
                f"The supernet of {source} was trained on networks near '{trained_for[-1]}', so those near "
                f"'{constraints}' share weights that were hardly trained for them; a last round helps (--finish)."
            )

    def take_untrained(self) -> None:
        """Keeps the supernet as it is, which is evaluated as one that was trained would be."""
        if not self.folder.supernet.exists():
            example, _ = next(iter(self.setup.data.train.batches(1)))
            save_untrained(self.folder.supernet, self.setup.searched, example)

    def is_late(self) -> bool:
        """Whether the training of the supernet has taken more time than it may."""
        return self.timetable is not None and self.timetable.training_is_late

    def keep(self) -> None:
        """Copies the last checkpoint of the supernet where the run keeps that epoch and has not done so."""
        config, supernet = self.setup.config, self.folder.supernet
        if not config.keep_epochs or not supernet.exists():
            return
        epoch = len(read_header(supernet)["history"]) - 1
        if epoch >= self.epochs - config.keep_epochs and not self.folder.kept(epoch).exists():
            write_file(self.folder.kept(epoch), supernet.read_bytes())

    def derive(self, history: Sequence[Epoch]) -> None:
        """Lets a method say at which architecture it has arrived, if it does."""
        if not self.setup.method.proposes:
            return
        final = derive_final(self.setup, self.folder, self.step)
        self.learnt = learnt_by(self.setup, self.step, final, history)
        if sentence := collapse_of(self.step, final):
            self.note(sentence)

    def measure(self, candidates: "pd.DataFrame", largest: dict[str, Any]) -> Finalists:
        """The front as measured on the target; writes the table of candidates with what was measured.

        Its ``latency_ms`` is what the search went by, or the measurement where it did not look at latency.
        """
        doing = "Looking up the front in" if self.setup.is_recorded else "Measuring the front on"
        with self.progress.task(f"{doing} {self.setup.target.name}", len(candidates)) as task:
            always = [] if self.prospects.scaled is None else [self.prospects.scaled]
            finalists = measure_finalists(self.setup, self.folder, candidates, largest, task, always)
            if not set(candidates["id"]) <= set(finalists.measured):
                task.end("the front is known, and what is next to it")
        unknown = (math.nan, math.nan)
        latency = [finalists.measured.get(name, unknown) for name in candidates["id"]]
        table = candidates.astype(dict.fromkeys(StaticCosts.names, "int64")).assign(
            measured_latency_ms=[value for value, _ in latency], measured_spread_ms=[spread for _, spread in latency]
        )
        if LATENCY not in table:
            table.insert(list(table).index("feasible"), LATENCY, table["measured_latency_ms"])
        self.folder.write_table("candidates", as_selected(self.setup, table))
        return finalists

    def finish(self, finalists: Finalists) -> None:
        """The last round: a few networks train on by themselves."""
        entrants = choose_entrants(
            self.setup, finalists.rows, self.prospects.scaled, self.prospects.random, self.setup.finishing
        )
        self.finished = Finish(self.setup, self.folder, self.progress, self.timetable).run(entrants)

    def export(self, finalists: Finalists, draws: "pd.DataFrame") -> dict[str, Any]:
        """The result of the run: the best network delivered, the test split read once for it, largest and random best.

        What its figures are called is told in :mod:`nas.delivery.selection`.
        """
        setup, name = self.setup, self.setup.metric.name
        chosen, why = self.chosen(finalists)
        checked = [chosen] if self.finished is not None else [chosen, *finalists.front][:_MOST_CHECKED]
        checked += [finalists.largest] if self.prospects.largest_is_trained else []
        check_delivered(setup, [Architecture.from_json(row["architecture"]) for row in checked])
        if not setup.trains_again:
            check_scores(setup, chosen)
        best, front, largest = self.confirmed(chosen, finalists)
        network, largest_network = self.network(best), self.largest_network(largest)
        for row, final in ((best, network), (largest, largest_network)):
            if final is not None and (row.get(name) is None or setup.trains_again):
                row |= {**searched_figure(setup, row), **setup.evaluate(final, setup.confirmation, row["architecture"])}
        delivered = Delivered(self.folder)
        best = deliver(setup, self.folder, network, best, largest[LATENCY], self.progress, delivered.search_file)
        for taken in front:
            if taken["id"] == best["id"]:
                taken |= {each: best[each] for each in (LATENCY, "latency_spread_ms")}
        if largest_network is not None:
            largest = self.largest_tested(largest_network, largest)
        random = random_choice(setup, draws, best)
        self.note(*delivery_notes(setup, best, largest), *storage_notes(best))
        has_supernet = setup.traits.needs_supernet
        found = SearchResult(
            run=self.folder.name,
            space=setup.config.space,
            evaluator=setup.config.evaluator,
            method=setup.config.method if has_supernet else None,
            sharing=setup.sharing if has_supernet else None,
            metric=name,
            objective=str(setup.objective),
            score=setup.score,
            cost=setup.cost,
            own_costs=list(setup.own_costs.names),
            best=best,
            largest=largest,
            random=None if random is None else _described(random),
            front=front,
            selection=why,
            notes=self.notes,
        )
        return delivered.put_into(found.as_dict())

    def chosen(self, finalists: Finalists) -> tuple[dict[str, Any], dict[str, Any]]:
        """The row of the network that is delivered, and why."""
        if self.finished is None:
            return select(self.setup, finalists.front)
        return dict(self.finished.entrant.row), {"finish": self.finished.table, "trained": self.finished.trained}

    def network(self, row: dict[str, Any]) -> "nn.Module":
        """What is delivered."""
        if self.finished is not None:
            return self.finished.network
        return final_network(self.setup, self.folder, Architecture(row["architecture"]), self.progress, self.note)

    def confirmed(
        self, chosen: dict[str, Any], finalists: Finalists
    ) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
        """The rows of the chosen network, the front and the largest, with what the part that confirms says of them.

        The largest has no figures where it was never trained, and where it is the pretrained network, which has others.
        """
        rows = {row["id"]: row for row in (*finalists.front, chosen)}
        is_trained = self.prospects.largest_is_trained and self.setup.problem.pretrained is None
        found = confirm(self.setup, [*rows.values(), *([finalists.largest] if is_trained else [])])
        largest = found.pop() if is_trained else without_figures(self.setup, finalists.largest)
        named = {row["id"]: _described(row) for row in found}
        return dict(named[chosen["id"]]), [named[row["id"]] for row in finalists.front], _described(largest)

    def largest_network(self, row: dict[str, Any]) -> "nn.Module | None":
        """The largest network to compare with: the pretrained one; else trained as the delivered one is, as evaluated
        beside a last round; None where it never was trained."""
        if self.setup.problem.pretrained is not None:
            return self.setup.problem.pretrained
        if not self.prospects.largest_is_trained:
            return None
        if self.finished is None:
            return self.network(row)
        return evaluated_network(self.setup, Architecture(row["architecture"]))

    def largest_tested(self, network: "nn.Module", row: dict[str, Any]) -> dict[str, Any]:
        """The row of the largest network with its one reading of the test split, in the type of the delivered file."""
        setup = self.setup
        if setup.config.dtype == "float32":
            return {**row, **tested(setup.metric, setup.evaluate(network, setup.data.test, row["architecture"]))}
        inputs = setup.inputs_of(row["architecture"])
        exported = ExportedNetwork(setup, network, self.folder.path / "largest.onnx", inputs)
        return {**exported.with_own_metrics(row), **tested(setup.metric, exported.evaluate(setup.data.test))}


def _described(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is reported: the architecture opened, the columns of the table's bookkeeping left out."""
    dropped = ("feasible", "pareto")
    plain = {name: value for name, value in row.items() if name not in dropped}
    counts = {name: int(plain[name]) for name in StaticCosts.names}
    return {**plain, **counts, "architecture": json.loads(row["architecture"])}
