"""A study of spaces: populations are drawn and evaluated, here or by several processes, then compared."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.benchmark.processes import done_in_processes
from nas.benchmark.records import Records
from nas.errors import UsageError
from nas.files import write_file
from nas.report.space_study import StudyContent, write_study_report
from nas.setup.progress import Progress, Silent
from nas.space import Architecture
from nas.space_study.draws import DRAWN_AT_ONCE, Draws, draw
from nas.space_study.population import Population
from nas.space_study.statistics import choice_effects, describe, differences, losses

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare_populations"]


def compare_populations(
    populations: Sequence[Population],
    folder: Path,
    *,
    samples: int = 500,
    thresholds: Sequence[float] = (),
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compares populations by the distribution of their metric (Radosavovic et al., 2020); writes into a folder.

    ``edf.csv`` holds the empirical distributions, ``samples.csv`` the architectures, ``choices.csv`` what each
    candidate of each choice does to them, ``space-study.json`` all figures and ``space-study.html`` shows them. What
    was evaluated is not evaluated again, so a killed study goes on, and more populations or samples add to it.

    Args:
        samples: random architectures of each population.
        thresholds: values of the metric of which the share at least as good is told.
        seed: of the draws and the intervals.
        workers: processes.

    Returns:
        What ``space-study.json`` holds.

    Raises:
        UsageError: a number is out of range, the populations have other metrics, the evaluator fails, or nothing has a
            value of the metric.
    """
    if samples < 2 or workers < 1 or not all(map(math.isfinite, thresholds)):
        raise UsageError(
            f"a study has {samples} samples, {workers} workers and thresholds {list(thresholds)}; give at least 2 "
            "samples, 1 worker and finite thresholds."
        )
    named = {each.label: each for each in populations}
    objectives = {str(each.objective) for each in populations}
    if len(objectives) != 1:
        raise UsageError(
            f"a study is of one metric, but its populations have {', '.join(sorted(objectives)) or 'none'}."
        )
    asked = {"evaluator": populations[0].judge.name, "objective": objectives.pop(), "seed": seed}
    records = Records(folder, "study", "populations and samples", asked, Draws.from_record)
    with records.open() as before:
        done = {(each.population, each.number): each for each in before}
        wanted = [(label, number) for number in range(math.ceil(samples / DRAWN_AT_ONCE)) for label in named]
        left = [(label, number, seed) for label, number in wanted if (label, number) not in done]
        total = len(wanted) * DRAWN_AT_ONCE
        with (progress or Silent()).task("Evaluating random architectures", total) as task:
            for count, some in enumerate(_drawn(named, left, workers), start=len(wanted) - len(left) + 1):
                records.add(some.record())
                done[some.population, some.number] = some
                task.update(count * DRAWN_AT_ONCE, some.population)
        parts = {label: [done[each] for each in wanted if each[0] == label] for label in named}
        table = _table(parts, samples)
        return _written(named, table, folder, thresholds, asked)


def _drawn(
    populations: Mapping[str, Population], left: Sequence[tuple[str, int, int]], workers: int
) -> Iterator[Draws]:
    """The draws that are left, as they end."""
    workers = min(workers, len(left))
    if workers > 1:
        return done_in_processes(draw, populations, left, workers)
    return (partial(draw, populations)(*each) for each in left)


def _table(parts: Mapping[str, Sequence[Draws]], samples: int) -> "pd.DataFrame":
    """A row for each architecture: population, architecture, value."""
    import pandas as pd

    rows = [
        row
        for label, drawn in parts.items()
        for row in [
            (label, architecture, value)
            for each in drawn
            for architecture, value in zip(each.architectures, each.values, strict=True)
        ][:samples]
    ]
    return pd.DataFrame(rows, columns=["population", "architecture", "value"]).astype({"value": float})


def _written(
    populations: Mapping[str, Population],
    table: "pd.DataFrame",
    folder: Path,
    thresholds: Sequence[float],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes what was found."""
    import pandas as pd

    objective = next(iter(populations.values())).objective
    if table["value"].isna().all():
        raise UsageError(
            f"none of the {len(table):,} architectures has a number as its {objective.metric}, so there is nothing to "
            "compare; look at the table or the function."
        )
    values = {label: [None if math.isnan(each) else each for each in some] for label, some in _values(table)}
    found = {label: losses(some, objective.maximise) for label, some in values.items()}
    effects = {
        label: choice_effects(_architectures(table, label), sample, objective.maximise, asked["seed"])
        for label, sample in found.items()
    }
    result = {
        "metric": objective.metric,
        "maximise": objective.maximise,
        "samples": {label: len(some) for label, some in values.items()},
        "without_value": {label: some.count(None) for label, some in values.items()},
        "populations": {
            label: describe(sample, objective.maximise, thresholds, asked["seed"]) for label, sample in found.items()
        },
        "differences": differences(found),
        "choices": effects,
    }
    write_file(folder / "samples.csv", table.to_csv(index=False))
    write_file(folder / "edf.csv", _distributions(table, objective.maximise).to_csv(index=False))
    choices = [{"population": label, **row} for label, rows in effects.items() for row in rows]
    write_file(folder / "choices.csv", pd.DataFrame(choices).to_csv(index=False))
    content = StudyContent(folder.name, {**asked, "populations": list(populations)}, result, table)
    write_study_report(folder / "space-study.html", content)
    write_file(folder / "space-study.json", json.dumps(result, indent=2))
    return result


def _values(table: "pd.DataFrame") -> Iterator[tuple[str, list[float]]]:
    for label, group in table.groupby("population", sort=False):
        yield str(label), list(map(float, group["value"]))


def _architectures(table: "pd.DataFrame", label: str) -> list[Architecture]:
    return [Architecture.from_json(each) for each in table[table["population"] == label]["architecture"]]


def _distributions(table: "pd.DataFrame", maximise: bool) -> "pd.DataFrame":
    """A row for each value of each population: the share of its architectures that are at least as good."""
    import pandas as pd

    parts = []
    for label, group in table.groupby("population", sort=False):
        ranks = group["value"].rank(method="max", ascending=not maximise)
        share = (ranks / len(group)).rename("share")
        part = pd.concat([group[["population", "value"]], share], axis=1).dropna().drop_duplicates()
        parts.append(part.sort_values("share").assign(population=label))
    return pd.concat(parts, ignore_index=True)
