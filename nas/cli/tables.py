"""What a command prints at its end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from nas.cli.terminal import TextConsole
from nas.report.choice import choice_sentences
from nas.report.feasibility import constraint_sentence, coverage
from nas.report.quantities import is_share, label, written
from nas.report.usage import about_file
from nas.runs import RunFolder
from nas.wording import counted

__all__ = ["new_console", "print_feasibility", "print_listing", "print_predictor", "print_result", "print_seeds"]

_EXTREMES = ("smallest", "median", "largest")
_BARS = "▁▂▃▄▅▆▇█"


def print_result(result: Mapping[str, Any], folder: RunFolder) -> None:
    """The Pareto front, the chosen network against the largest, and where the files are."""
    console = new_console()
    sources = sorted({_source(row) for row in [*result["front"], result["largest"]]}, reverse=True)
    title = f"Pareto front of {result['run']}, latency {' or '.join(sources)}".replace("predicted", "predicted (~)")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, collapse_padding=True, pad_edge=False)
    best, largest, metric = result["best"], result["largest"], result["metric"]
    for heading in ("architecture", f"{label(metric).lower()} (95 %)", "latency", "params", "FLOPs", "memory"):
        table.add_column(heading, justify="left" if heading == "architecture" else "right", no_wrap=True)
    for row in result["front"]:
        if row["id"] == best["id"]:
            table.add_row(best["id"], *_metrics(best, metric), style="bold green")
        else:
            table.add_row(row["id"], *_metrics(row, metric))
    if largest["id"] != best["id"]:
        table.add_section()
        table.add_row("largest", *_metrics(largest, metric), style="dim")
    caption = (
        "The part that selected them made this front; its scores are shown on the other part, where some may lose."
    )
    table.caption, table.caption_justify = caption, "left"
    if f"shared_{metric}" in best and len(result["front"]) > 1:
        retrained = "The chosen and the largest are" if f"shared_{metric}" in largest else "The chosen is"
        table.caption += f" {retrained} shown as retrained, the others with shared weights."
    console.print(table)
    for sentence in choice_sentences(result):
        console.print(sentence, highlight=False)
    console.print(about_file(best["file"]), highlight=False)
    for note in result["notes"]:
        console.print(note, style="yellow", highlight=False)
    for file in (folder.onnx, folder.report, folder.best, folder.candidates, folder.config):
        console.print(f"  {file}", highlight=False, soft_wrap=True)


def print_feasibility(space: str, input_shape: Sequence[int], target: str, report: Mapping[str, Any]) -> None:
    """What a space costs and how much of it satisfies the constraints.

    Args:
        space: its name.
        input_shape: of one example.
        target: in words.
        report: what :func:`nas.runs.feasibility` found.
    """
    console = new_console()
    shape = "x".join(map(str, input_shape))
    console.print(f"{space}: {coverage(report)}; input {shape}; target {target}", highlight=False)
    table = Table("cost", *(Column(heading, justify="right") for heading in _EXTREMES), "smallest to largest")
    for name, row in report["costs"].items():
        table.add_row(
            name, *(_text(name, row[heading]) for heading in _EXTREMES), _sparkline(row["histogram"]["counts"])
        )
    console.print(table)
    for text, row in report["constraints"].items():
        console.print(f"  {constraint_sentence(text, row)}", highlight=False, soft_wrap=True)


def print_predictor(errors: Mapping[str, Any]) -> None:
    """How well latency is predicted, next to how well it can be measured."""
    floor = errors["noise_floor"]
    repeated = "nothing was measured twice" if floor is None else f"measurements repeat within {floor:.1%}"
    console = new_console()
    console.print(
        f"predictor: {errors['kind']}, learnt from {counted(errors['samples'], 'network')}; {repeated}\n"
        f"  on networks held out: {errors['within_5pct']:.0%} within 5%, {errors['within_10pct']:.0%} within 10%, "
        f"mean error {errors['mape']:.1%}, Spearman {errors['spearman']:.3f}",
        highlight=False,
        soft_wrap=True,
    )


def print_seeds(report: Mapping[str, Any], results: Path) -> None:
    """The chosen network of each seed, and what is common to them."""
    tested = f"test_{report['metric']}"
    table = Table("run", *(Column(each, justify="right") for each in (label(tested).lower(), "latency", "params")))
    for run in report["runs"]:
        best = run["best"]
        table.add_row(run["run"], written(tested, best[tested]), _latency(best), f"{best['params']:,}")
    console = new_console()
    console.print(table)
    mean, spread = (written(tested, report[each]) for each in ("mean", "spread"))
    console.print(f"{label(tested)} {mean} ± {spread} (standard deviation over seeds)", highlight=False)
    for run in report["runs"]:
        console.print(f"  {results / run['run']}", highlight=False, soft_wrap=True)


def print_listing(rows: Sequence[Mapping[str, str]]) -> None:
    """Names with what they mean."""
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    new_console().print(table)


def _metrics(row: Mapping[str, Any], metric: str) -> list[str]:
    score, low, high = (_rounded(metric, row[metric + bound]) for bound in ("", "_low", "_high"))
    return [
        f"{score} ({low} to {high})",
        _latency(row),
        _text("params", row["params"]),
        _text("flops", row["flops"]),
        _text("peak_memory_bytes", row["peak_memory_bytes"]),
    ]


def _rounded(metric: str, value: float) -> str:
    """Coarser than a report writes it, since the interval beside it is wide."""
    return f"{value:.1%}" if is_share(metric) else f"{value:.2f}"


def _latency(row: Mapping[str, Any]) -> str:
    """With its spread where it is known; predicted ones are marked."""
    mark = "~" if _source(row) == "predicted" else ""
    spread = row["latency_spread_ms"]
    around = "" if spread is None else f" ± {spread / row['latency_ms']:.1%}"
    return f"{mark}{_text('latency_ms', row['latency_ms'])}{around}"


def _source(row: Mapping[str, Any]) -> str:
    """Where its latency comes from; runs from before this was told measured everything."""
    return str(row.get("latency_source", "measured"))


def _sparkline(counts: Sequence[int]) -> str:
    """A character a bin, as high as its share of the fullest; a blank where there is nothing."""
    most = max(counts)
    return "".join(_BARS[(len(_BARS) - 1) * count // most] if count else " " for count in counts)


def _text(name: str, value: float) -> str:
    """A value with its unit and the spaces that every terminal has."""
    return written(name, value).replace("\N{NARROW NO-BREAK SPACE}", " ")


def new_console() -> Console:
    """As wide as the terminal or COLUMNS say, else 80 characters; ``a:b:`` stays as it is."""
    return TextConsole()
