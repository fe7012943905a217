"""What a command prints at its end."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from nas.cli.dashboard import dashboard_command
from nas.cli.terminal import TextConsole
from nas.report.choice import choice_sentences
from nas.report.how_to_run import about_file
from nas.report.quantities import is_share, label, relative_spread, written
from nas.setup import RunFolder
from nas.wording import counted

__all__ = [
    "new_table",
    "print_feasibility",
    "print_listing",
    "print_predictor",
    "print_result",
    "print_seeds",
    "print_sweep",
    "with_unit",
]

_EXTREMES = ("smallest", "median", "largest")
_BARS = "▁▂▃▄▅▆▇█"
_HEADING = 16
"""Characters above figures, after which a heading goes on in the next line."""


def print_result(result: Mapping[str, Any], folder: RunFolder) -> None:
    """The Pareto front, the chosen network against the largest, and where the files are."""
    console = TextConsole()
    sources = sorted({_source(row) for row in [*result["front"], result["largest"]]}, reverse=True)
    title = f"Pareto front of {result['run']}, latency {' or '.join(sources)}".replace("predicted", "predicted (~)")
    best, largest, metric = result["best"], result["largest"], result["metric"]
    confirmed = all(metric in row for row in result["front"])
    score = metric if confirmed else result["score"]
    heading = f"{label(score).lower()} (95 %)" if f"{score}_low" in best else label(score).lower()
    table = new_table(["network"], (heading, "latency", "params", "FLOPs", "memory"), title)
    table.columns[0].no_wrap = True
    for row in result["front"]:
        if row["id"] == best["id"]:
            table.add_row(best["id"], *_metrics(best, score), style="bold green")
        else:
            table.add_row(row["id"], *_metrics(row, score))
    if all(row["id"] != best["id"] for row in result["front"]):
        table.add_section()
        table.add_row(best["id"], *_metrics(best, score), style="bold green")
    if largest["id"] != best["id"]:
        table.add_section()
        table.add_row("largest", *_metrics(largest, score), style="dim")
    table.caption, table.caption_justify = _caption(result, confirmed), "left"
    if f"shared_{metric}" in best and len(result["front"]) > 1:
        retrained = "The chosen and the largest are" if f"shared_{metric}" in largest else "The chosen is"
        table.caption += f" {retrained} shown as retrained, the others with shared weights."
    console.print(table)
    for sentence in (*choice_sentences(result), about_file(best["file"])):
        console.say(sentence)
    if "calibration_error" in best:
        off = f"{100 * best['calibration_error']:.2f} points"
        console.say(f"Its confidence is {off} off its accuracy (expected calibration error).")
    for note in result["notes"]:
        console.say(note, style="yellow")
    files = (folder.onnx, folder.report, folder.best, folder.candidates, folder.config)
    for line in (*files, *filter(None, [dashboard_command(folder)])):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _caption(result: Mapping[str, Any], confirmed: bool) -> str:
    """Whose figures the front shows, and on which part of the validation split."""
    evaluator = result.get("evaluator", "shared-weights")
    if not confirmed:
        return (
            f"As evaluator '{evaluator}' has them ({result['objective']}); only the chosen and the largest are trained."
        )
    shown = "The part that selected them made this front; its scores are shown on the other part, where some may lose."
    return shown if evaluator == "shared-weights" else f"{shown} They are of evaluator '{evaluator}'."


def print_feasibility(
    space: str,
    input_shape: Sequence[int],
    target: str,
    report: Mapping[str, Any],
    extra: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """What a space costs and how much of it satisfies the constraints.

    Args:
        space: its name.
        input_shape: of one example as the data have it.
        target: in words.
        report: what :func:`nas.latency.feasibility_report` found.
        extra: candidates of choices outside the model, by name.
    """
    from nas.report.feasibility import constraint_sentence, coverage

    console = TextConsole()
    chosen = (f", {name} {' or '.join(map(str, values))}" for name, values in (extra or {}).items())
    shape = "".join(["x".join(map(str, input_shape)), *chosen])
    console.say(f"{space}: {coverage(report)}; input {shape}; target {target}")
    table = new_table(["cost"], _EXTREMES)
    table.add_column("smallest to largest", no_wrap=True)
    for name, row in report["costs"].items():
        table.add_row(
            name, *(with_unit(name, row[heading]) for heading in _EXTREMES), _sparkline(row["histogram"]["counts"])
        )
    console.print(table)
    for text, row in report["constraints"].items():
        console.say(constraint_sentence(text, row), indent=2)


def print_predictor(errors: Mapping[str, Any]) -> None:
    """How well latency is predicted, next to how well it can be measured."""
    floor = errors["noise_floor"]
    repeated = "nothing was measured twice" if floor is None else f"measurements repeat within {floor:.1%}"
    console = TextConsole()
    console.say(f"predictor: {errors['kind']}, learnt from {counted(errors['samples'], 'network')}; {repeated}")
    console.say(
        f"on networks held out: {errors['within_5pct']:.0%} within 5%, {errors['within_10pct']:.0%} within 10%, "
        f"mean error {errors['mape']:.1%}, Spearman {errors['spearman']:.3f}",
        indent=2,
    )


def print_sweep(report: Mapping[str, Any], results: Path) -> None:
    """The network of each constraint, and where it is."""
    tested = f"test_{report['metric']}"
    table = new_table(["constraint", "run"], [label(tested).lower(), "latency", "params", "FLOPs"])
    for run in report["runs"]:
        best = run["best"]
        figures = (written(tested, best[tested]), _latency(best), with_unit("params", best["params"]))
        table.add_row(run["constraint"], run["run"], *figures, with_unit("flops", best["flops"]))
    console = TextConsole()
    console.print(table)
    for run in report["runs"]:
        console.print(f"  {RunFolder(results / run['run']).onnx}", highlight=False, soft_wrap=True)


def print_seeds(report: Mapping[str, Any], results: Path) -> None:
    """The chosen network of each seed, and what is common to them."""
    tested = f"test_{report['metric']}"
    table = new_table(["run"], [label(tested).lower(), "latency", "params"])
    for run in report["runs"]:
        best = run["best"]
        table.add_row(run["run"], written(tested, best[tested]), _latency(best), f"{best['params']:,}")
    console = TextConsole()
    console.print(table)
    mean, spread = (written(tested, report[each]) for each in ("mean", "spread"))
    console.say(f"{label(tested)} {mean} ± {spread} (standard deviation over seeds)")
    for run in report["runs"]:
        console.print(f"  {results / run['run']}", highlight=False, soft_wrap=True)


def print_listing(rows: Sequence[Mapping[str, str]]) -> None:
    """Names with what they mean, and where they are from if not all of them ship."""
    ship = all(row.get("from", "nas") == "nas" for row in rows)
    headings = [heading for heading in rows[0] if heading != "from" or not ship]
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_cited(row[heading]) if heading == "paper" else row[heading] for heading in headings))
    TextConsole().print(table)


def _cited(paper: str) -> str:
    """Authors and year of a paper, without its title.

    >>> _cited("Liu et al., DARTS: Differentiable architecture search, 2019")
    'Liu et al., 2019'
    """
    authors, _, rest = paper.partition(", ")
    return f"{authors}, {rest.rpartition(', ')[2]}" if rest else authors


def new_table(words: Sequence[str], figures: Sequence[str], title: str | None = None) -> Table:
    """A table without rows; where it is too wide words are wrapped, and figures are not.

    Args:
        words: headings of its first columns,
        figures: and of the others.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, collapse_padding=True, pad_edge=False)
    for heading in words:
        table.add_column(heading, overflow="fold")
    for heading in figures:
        table.add_column(textwrap.fill(heading, _HEADING), justify="right", no_wrap=True)
    return table


def _metrics(row: Mapping[str, Any], metric: str) -> list[str]:
    return [
        _with_interval(row, metric),
        _latency(row),
        with_unit("params", row["params"]),
        with_unit("flops", row["flops"]),
        with_unit("peak_memory_bytes", row["peak_memory_bytes"]),
    ]


def _with_interval(row: Mapping[str, Any], metric: str) -> str:
    """A score, with its interval where it has one."""
    if row[metric] is None:
        return "not trained"
    if f"{metric}_low" not in row:
        return written(metric, row[metric])
    form = ".1%" if is_share(metric) else ".2f"  # coarser than a report writes it, since the interval is wide
    score, low, high = (f"{row[metric + bound]:{form}}" for bound in ("", "_low", "_high"))
    return f"{score} ({low} to {high})"


def _latency(row: Mapping[str, Any]) -> str:
    """With its spread where it is known; predicted ones are marked."""
    mark = "~" if _source(row) == "predicted" else ""
    return f"{mark}{with_unit('latency_ms', row['latency_ms'])} {relative_spread(row)}".rstrip()


def _source(row: Mapping[str, Any]) -> str:
    """Where its latency comes from; runs from before this was told measured everything."""
    return str(row.get("latency_source", "measured"))


def _sparkline(counts: Sequence[int]) -> str:
    """A character a bin, as high as its share of the fullest; a blank where there is nothing."""
    most = max(counts)
    return "".join(_BARS[(len(_BARS) - 1) * count // most] if count else " " for count in counts)


def with_unit(name: str, value: float) -> str:
    """A value with its unit and the spaces that every terminal has."""
    return written(name, value).replace("\N{NARROW NO-BREAK SPACE}", " ")
