"""The network that a run takes, and figures of it that its search did not see.

The validation split has two parts. One selects: the search scores candidates by it, and it says which of the front
are equal. The best of many noisy scores is too good by chance, so the other part confirms: nothing is decided by it,
and its figure is the one that is shown. Metrics of a network are called by their plain names on the part that
confirms, ``selection_`` in front on the part that selects, ``test_`` on the test split. Where the network was
trained again, the figure of the weights that it shared before is called ``shared_``, and that of others ``searched_``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from nas.evaluation.evaluators import MakesNetworks, TalliesExamples, made_network, tallied_examples
from nas.evaluation.metrics import groups_of, selected
from nas.evaluation.paired import cheapest_of_equals
from nas.report.quantities import label, written
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture
from nas.tasks import Metric
from nas.tasks.intervals import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_selected",
    "confirm",
    "random_choice",
    "searched_figure",
    "select",
    "tested",
    "warnings",
    "without_figures",
]

Row = dict[str, Any]


def select(setup: Setup, front: Sequence[Row]) -> tuple[Row, dict[str, Any]]:
    """The cheapest network of the front that the selecting part cannot tell from the best, and why.

    Where the evaluator does not say example by example how good a network is, it is the one with the best score.

    Returns:
        The row, and ``best`` (id of the best score), ``equals`` (ids of those within ``within`` standard errors of
        it, the chosen among them), ``of`` (networks compared) and ``differ`` (whether any is worse than chance makes
        it); or ``best``, ``of`` and ``by``, the column of the score alone.
    """
    evaluator, split = setup.evaluator, setup.data.validation
    if not (setup.compares_examples and isinstance(evaluator, TalliesExamples)):
        row = min(front, key=lambda row: (setup.objective.value(row), row[setup.cost], row["id"]))
        return row, {"best": row["id"], "of": len(front), "by": setup.score}
    architectures = [Architecture.from_json(row["architecture"]) for row in front]
    tallies = tallied_examples(setup.config.evaluator, evaluator, architectures, split)
    results: list[Floats] = [tally.results for tally in tallies]
    costs = [row[setup.cost] for row in front]
    within = setup.config.evaluation.equal_within
    verdict = cheapest_of_equals(results, costs, setup.metric.maximise, within, groups_of(split))
    about = {
        "best": front[verdict.best]["id"],
        "equals": [front[index]["id"] for index in verdict.equals],
        "within": within,
        "of": len(front),
        "differ": verdict.differ,
    }
    return front[verdict.chosen], about


def confirm(setup: Setup, rows: Sequence[Row]) -> list[Row]:
    """The rows with their scores called ``selection_``, and with the confirmed figures of the networks as evaluated.

    There are none where the evaluator does not tally examples. ``optimism`` is by how much the score looked better than
    the confirmed figure.
    """
    evaluator = setup.evaluator
    if not isinstance(evaluator, TalliesExamples):
        return [{selected(setup.data.task, key): value for key, value in row.items()} for row in rows]
    architectures = [Architecture.from_json(row["architecture"]) for row in rows]
    tallies = tallied_examples(setup.config.evaluator, evaluator, architectures, setup.confirmation)
    confirmed = []
    for row, tally in zip(rows, tallies, strict=True):
        metrics = tally.metrics()
        renamed = {(f"selection_{key}" if key in metrics else key): value for key, value in row.items()}
        name, sign = setup.metric.name, 1 if setup.metric.maximise else -1
        optimism = sign * (renamed.get(f"selection_{name}", math.nan) - metrics[name])
        plain = {"id": row["id"], "architecture": row["architecture"]}
        confirmed.append({**plain, **metrics, "optimism": optimism, **renamed})
    return confirmed


def tested(metric: Metric, metrics: Mapping[str, float]) -> dict[str, float]:
    """The metric on the test split and its interval, by the names that they have in a row."""
    return {f"test_{each}": metrics[each] for each in (metric.name, f"{metric.name}_low", f"{metric.name}_high")}


def without_figures(setup: Setup, row: Row) -> Row:
    """The row of a network that was never trained, whose figures mean nothing and so are None."""
    task = setup.data.task
    figures = {*task.columns, *(selected(task, name) for name in task.columns), "optimism"}
    plain = {name: value for name, value in row.items() if name not in figures}
    return {**plain, **dict.fromkeys((setup.metric.name, f"test_{setup.metric.name}"))}


def searched_figure(setup: Setup, row: Mapping[str, Any]) -> dict[str, float]:
    """What is known of a network before it is trained again, by the name that this then has."""
    name, kind = setup.metric.name, "shared" if setup.traits.needs_supernet else "searched"
    return {f"{kind}_{name}": row[name]} if row.get(name) is not None else {}


def random_choice(setup: Setup, draws: "pd.DataFrame", chosen: Row) -> Row | None:
    """The best of the random draws, taken by the same rule as the chosen network and tested as it was evaluated.

    Its latency, if it has one, is predicted. Where the chosen network is delivered with other weights or in another
    type, ``chosen`` is what it scores as the draw does, with the weights that were evaluated in float32. Where the
    evaluator makes no networks there is no test, and ``chosen`` is its score.
    """
    if not len(draws):
        return None
    front = cast(list[Row], draws[draws["feasible"] & draws["pareto"]].to_dict("records"))
    (row,) = confirm(setup, [select(setup, front)[0]])
    row |= _as_searched(setup, row) | {"draws": len(draws)}
    if LATENCY in row:
        row["latency_source"] = "predicted"
    if setup.trains_again or setup.config.dtype != "float32":
        row["chosen"] = _as_searched(setup, chosen)
    return row


def _as_searched(setup: Setup, row: Row) -> dict[str, float]:
    """What the network as it was evaluated scores on the test split; its score where there is no such network."""
    evaluator, architecture = setup.evaluator, row["architecture"]
    if not isinstance(evaluator, MakesNetworks):
        return {setup.score: row[setup.score]}
    read = Architecture.from_json(architecture) if isinstance(architecture, str) else Architecture(architecture)
    network = made_network(setup.config.evaluator, evaluator, read)
    return tested(setup.metric, setup.evaluate(network, setup.data.test, read))


def as_selected(setup: Setup, candidates: "pd.DataFrame") -> "pd.DataFrame":
    """The table of a search with its scores called ``selection_``."""
    return candidates.rename(columns={name: selected(setup.data.task, name) for name in setup.data.task.columns})


def warnings(setup: Setup, best: Row) -> list[str]:
    """Says so where the 95 % intervals on the confirming part and on the test split do not even touch."""
    name = setup.metric.name
    here, there = ((best[f"{part}{name}_low"], best[f"{part}{name}_high"]) for part in ("", "test_"))
    if there[0] <= here[1] and here[0] <= there[1]:
        return []
    value, low, high = (written(name, number) for number in (best[f"test_{name}"], *here))
    return [
        f"The {label(f'test_{name}').lower()} of {best['id']}, {value}, is far outside the 95 % interval that the "
        f"validation split gives, {low} to {high}: the test split is unlike the others."
    ]
