"""What a command prints at its end."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from nas.report.feasibility import constraint_sentence, coverage
from nas.report.quantities import written
from nas.runs import RunFolder

__all__ = ["print_feasibility", "print_listing", "print_predictor", "print_result"]

_EXTREMES = ("smallest", "median", "largest")
_BARS = "▁▂▃▄▅▆▇█"


def print_result(result: Mapping[str, Any], folder: RunFolder) -> None:
    """The Pareto front, the chosen network against the largest, and where the files are."""
    console = _console()
    table = Table(title=f"Pareto front of {result['run']}, measured on the target", title_justify="left")
    for heading in ("architecture", "accuracy (95 % interval)", "latency", "params", "FLOPs", "peak memory"):
        table.add_column(heading, justify="left" if heading == "architecture" else "right", no_wrap=True)
    for row in result["front"]:
        table.add_row(row["id"], *_metrics(row), style="bold green" if row["id"] == result["best"]["id"] else "")
    table.add_section()
    table.add_row("largest", *_metrics(result["largest"]), style="dim")
    console.print(table)
    best, largest = result["best"], result["largest"]
    console.print(
        f"Chosen: {best['id']} with test accuracy {best['test_accuracy']:.2%} (largest {largest['test_accuracy']:.2%}) "
        f"and {best['latency_ms'] / largest['latency_ms']:.0%} of the largest network's latency.",
        highlight=False,
    )
    for file in (folder.onnx, folder.report, folder.best, folder.candidates, folder.config):
        console.print(f"  {file}", highlight=False, soft_wrap=True)


def print_feasibility(space: str, target: str, report: Mapping[str, Any]) -> None:
    """What a space costs and how much of it satisfies the constraints."""
    console = _console()
    console.print(f"{space}: {coverage(report)}; target {target}", highlight=False)
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
    repeated = "unknown how well measurements repeat" if floor is None else f"measurements repeat within {floor:.1%}"
    _console().print(
        f"predictor: {errors['kind']} from {errors['samples']} networks; of networks held out "
        f"{errors['within_5pct']:.0%} within 5 %, {errors['within_10pct']:.0%} within 10 %, Spearman {errors['spearman']:.3f}, "
        f"mean error {errors['mape']:.1%}; {repeated}",
        highlight=False,
        soft_wrap=True,
    )


def print_listing(rows: Sequence[Mapping[str, str]]) -> None:
    """Names with what they mean."""
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    _console().print(table)


def _metrics(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['accuracy']:.1%} ({row['accuracy_low']:.1%} to {row['accuracy_high']:.1%})",
        f"{_text('latency_ms', row['latency_ms'])} ± {row['latency_spread_ms'] / row['latency_ms']:.1%}",
        f"{row['params']:,}",
        f"{row['flops']:,}",
        _text("peak_memory_bytes", row["peak_memory_bytes"]),
    ]


def _sparkline(counts: Sequence[int]) -> str:
    """A character a bin, as high as its share of the fullest; a blank where there is nothing."""
    most = max(counts)
    return "".join(_BARS[(len(_BARS) - 1) * count // most] if count else " " for count in counts)


def _text(name: str, value: float) -> str:
    """A value with its unit and the spaces that every terminal has."""
    return written(name, value).replace("\N{NARROW NO-BREAK SPACE}", " ")


def _console() -> Console:
    """As wide as the terminal, and wide enough for the tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=120)
