"""Many strategies, many seeds: what is not done yet is done, here or by several processes, then all is compared."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.benchmark.processes import done_in_processes
from nas.benchmark.question import Entrant, Question, check_entrants
from nas.benchmark.records import Records
from nas.benchmark.summary import curves, figures, summarise
from nas.benchmark.trial import Trial, run_trial
from nas.errors import UsageError
from nas.files import write_file
from nas.report.benchmark import BenchmarkContent, write_benchmark_report
from nas.setup.progress import Progress, Silent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare"]


def compare(
    question: Question,
    strategies: Sequence[str],
    folder: Path,
    *,
    seeds: int = 50,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Lets each strategy search once with each seed; writes what was found into a folder.

    ``benchmark.csv`` is the table of figures, ``curves.csv`` has a row for each evaluation of each search,
    ``benchmark.json`` all figures and the tests between strategies, and ``benchmark.html`` shows them. A search that
    was recorded is not done again, so a killed benchmark goes on, and more strategies or seeds add rows.

    Args:
        strategies: names, each perhaps with options, such as "evolution population=10".
        seeds: from 0.
        workers: processes.

    Returns:
        What ``benchmark.json`` holds: strategies with means and spreads, the optimum, the tests between strategies.

    Raises:
        UsageError: a strategy is not there, the evaluator fails, or the folder belongs to something else.
    """
    if seeds < 1 or workers < 1:
        raise UsageError(f"a benchmark has {seeds} seeds and {workers} workers; each must be at least 1.")
    entrants, progress = check_entrants(strategies, question.setup), progress or Silent()
    records = Records(folder, "benchmark", "strategies and seeds", question.record(), Trial.from_record)
    with records.open() as before:
        done = {(trial.strategy, trial.seed): trial for trial in before}
        wanted = [(each, seed) for seed in range(seeds) for each in entrants]
        left = [(each, seed) for each, seed in wanted if (each.label, seed) not in done]
        with progress.task("Comparing strategies", len(wanted)) as task:
            task.update(len(wanted) - len(left))
            for count, trial in enumerate(_trials(question, left, workers), start=len(wanted) - len(left) + 1):
                records.add(trial.record())
                done[trial.strategy, trial.seed] = trial
                task.update(count, trial.strategy)
        order = [done[each.label, seed] for each in entrants for seed in range(seeds)]
        return _written(question, order, folder)


def _trials(question: Question, left: Sequence[tuple[Entrant, int]], workers: int) -> Iterator[Trial]:
    """The searches that are left, as they end."""
    workers = min(workers, len(left))
    if workers > 1:
        return done_in_processes(run_trial, question, left, workers)
    return (run_trial(question, entrant, seed) for entrant, seed in left)


def _written(question: Question, trials: Sequence[Trial], folder: Path) -> dict[str, Any]:
    """Writes what was found."""
    table: pd.DataFrame = curves(question, trials)
    found = summarise(question, trials, table)
    write_file(folder / "curves.csv", table.to_csv(index=False))
    write_file(folder / "benchmark.csv", figures(found).to_csv(index=False))
    content = BenchmarkContent(folder.name, question.record(), found, table)
    write_benchmark_report(folder / "benchmark.html", content)
    write_file(folder / "benchmark.json", json.dumps(found, indent=2))
    return found
