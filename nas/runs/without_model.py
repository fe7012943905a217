"""A search without a model: ask, evaluate, record, report. Nothing is trained, measured or exported."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.files import write_file
from nas.report.without_model import ContentWithoutModel, write_report_without_model
from nas.runs.ledgers import open_ledger
from nas.search import Pool, SerialPool, search
from nas.setup.config import RunConfig
from nas.setup.events import Evaluations
from nas.setup.folder import RunFolder
from nas.setup.own_code import naming_own_parts
from nas.setup.progress import Progress, Silent
from nas.setup.trackers import check_trackers
from nas.setup.tracking import tracked
from nas.setup.without_model import SetupWithoutModel, space_of
from nas.space import Architecture
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rewrite_report", "search_without_model"]


def search_without_model(config: RunConfig, folder: RunFolder, progress: Progress | None = None) -> dict[str, Any]:
    """Searches what an evaluator tells of architectures; goes on where a killed search left off.

    The strategy is asked for one architecture at a time, so that it knows all results before, or for a few where
    several workers evaluate.

    Returns:
        ``best.json``: run, space, evaluator, strategy, objective, metric, best, front and notes.

    Raises:
        UsageError: the configuration cannot be carried out.
    """
    check_trackers(config.track)
    progress = progress or Silent()
    with naming_own_parts(config):
        setup = SetupWithoutModel(config, space_of(config))
        setup.evaluator()
        setup.strategy(config.strategy, config.strategy_args, config.seed)
        with folder.begin(config), tracked(config, folder, progress):
            if not folder.is_complete:
                _Search(setup, folder, progress).run()
    return folder.result


def rewrite_report(config: RunConfig, folder: RunFolder) -> None:
    """Writes the page of a finished one anew, from its files.

    Raises:
        UsageError: a file of the run is damaged or gone.
    """
    with naming_own_parts(config), folder.lock():
        search = _Search(SetupWithoutModel(config, space_of(config)), folder, Silent())
        search.report(folder.read_table("candidates"), folder.result)


@dataclass(frozen=True)
class _Search:
    setup: SetupWithoutModel
    folder: RunFolder
    progress: Progress

    def run(self) -> None:
        for note in self.notes:
            self.progress.say(note)
        with self.folder.stage("search"):
            candidates = self.candidates()
        with self.folder.stage("report"):
            self.folder.write_table("candidates", candidates)
            result = self.result(candidates)
            self.report(candidates, result)
            write_file(self.folder.best, json.dumps(result, indent=2))

    @property
    def notes(self) -> list[str]:
        """What a user should know of the result."""
        results, sought = self.setup.results, self.setup.objectives[0]
        notes = [] if results is None else list(results.notes)
        if self.setup.config.objective is None:
            notes.append(
                f"The search is to {sought}, since no other objective is given (--set objective='minimise NAME')."
            )
        return notes

    def candidates(self) -> "pd.DataFrame":
        """The evaluated architectures, in the order proposed."""
        setup, config = self.setup, self.setup.config
        total = setup.budget * setup.fidelity.most
        title = f"Searching {counted(total, setup.fidelity.unit)} ({config.strategy})"
        with _pool(setup) as pool, self.progress.task(title, total) as task, open_ledger(setup, self.folder) as ledger:
            evaluations = Evaluations(self.folder, task, "search", total, setup.objectives[0], setup.fidelity)
            found = search(
                setup.space,
                pool,
                setup.strategy(config.strategy, config.strategy_args, config.seed),
                objectives=setup.objectives,
                costs=setup.costs,
                constraints=setup.constraints,
                budget=setup.budget,
                batch=1,
                ledger=ledger,
                identity=setup.identity,
                on_result=evaluations.add,
                fidelity=config.fidelity,
            )
            evaluations.write()
            if evaluations.done < total:
                task.end("nothing new was proposed")
            return found

    def result(self, candidates: "pd.DataFrame") -> dict[str, Any]:
        """What ``best.json`` holds; the test column is read here, for the one architecture that is delivered."""
        config, objectives = self.setup.config, self.setup.objectives
        sought = objectives[0]
        front = candidates[candidates["pareto"]].sort_values(
            [each.metric for each in objectives], ascending=[not each.maximise for each in objectives]
        )
        rows = [_described(row) for row in front.to_dict("records")]
        best = dict(rows[0])
        if self.setup.results is not None:
            tested = self.setup.results.tested(Architecture(best["architecture"]))
            best |= {} if tested is None else {f"test_{sought.metric}": tested}
        return {
            "run": self.folder.name,
            "space": config.space,
            "evaluator": config.evaluator,
            "strategy": config.strategy,
            "objective": str(sought),
            "metric": sought.metric,
            "best": best,
            "largest": None,
            "front": rows,
            "candidates": len(candidates),
            "notes": self.notes,
        }

    def report(self, candidates: "pd.DataFrame", result: Mapping[str, Any]) -> None:
        """Writes the page."""
        config, record = self.setup.config, self.folder.started.read("command", "versions", "seconds")
        summary = {
            **{key: result[key] for key in ("space", "evaluator", "strategy", "objective")},
            "cost": config.cost,
            "constraints": config.constraints,
            "seed": config.seed,
            "architectures": self.setup.space.size,
            "command": " ".join(record["command"]),
            "versions": record["versions"],
            "seconds": record["seconds"],
            "config": config.to_yaml(),
        }
        content = ContentWithoutModel(self.folder.name, summary, self.setup.objectives, result, candidates)
        write_report_without_model(self.folder.report, content)


@contextmanager
def _pool(setup: SetupWithoutModel) -> Iterator[Pool]:
    """What evaluates: this process, or workers on Ray."""
    config = setup.config
    called = f"evaluator '{config.evaluator}'"
    if config.ray.address is None and (config.workers or 1) == 1:
        yield SerialPool(setup.evaluator(), called)
        return
    from nas.distributed import EvaluationPool
    from nas.setup.workers import place_of

    if config.ray.train_workers > 1 or config.ray.measure_on is not None:
        raise UsageError("ray.train_workers and ray.measure_on are for networks; leave them out.")
    with (
        place_of(config),
        EvaluationPool(setup.evaluator, None, config.workers, cpus=config.ray.cpus_per_worker, called=called) as pool,
    ):
        yield pool


def _described(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of the candidates as it is reported, its architecture opened."""
    plain = {str(name): value for name, value in row.items() if name not in ("feasible", "pareto")}
    return {**plain, "architecture": json.loads(row["architecture"])}
