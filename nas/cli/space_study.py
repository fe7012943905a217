"""The command ``nas space-study``: spaces compared by what random architectures of them are worth."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas import setup, space_study
from nas.cli.benchmark import benchmark_settings
from nas.cli.interrupts import interruptible
from nas.cli.options import RESULTS, Json, Name, Results, Trust
from nas.cli.progress import RichProgress
from nas.cli.settings import opened
from nas.cli.tables import new_table
from nas.cli.terminal import TextConsole, echo
from nas.errors import UsageError
from nas.report.quantities import label, written

__all__ = ["run_study"]

_MOST_EFFECTS = 4
_CERTAIN = 0.05


def run_study(
    population: Annotated[
        list[str],
        typer.Option(
            help="A space, perhaps with conditions: 'nasbench201 where params <= 1'; may be repeated. Without --table "
            "and --evaluator a finished search, whose evaluator tells."
        ),
    ],
    table: Annotated[Path | None, typer.Option(help="CSV, parquet or JSON file of results.")] = None,
    evaluator: Annotated[str | None, typer.Option(help="In place of it module:function of an architecture.")] = None,
    metric: Annotated[str | None, typer.Option(help="A column, or a name of the function.")] = None,
    minimise: Annotated[bool, typer.Option("--minimise", help="Smaller values of the metric are better.")] = False,
    samples: Annotated[int, typer.Option(min=2, max=10**5, help="Random architectures of each population.")] = 500,
    at: Annotated[
        list[float] | None, typer.Option(help="Tell the share that is at least as good as this; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of the draws.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=4096, help="Processes.")] = 1,
    trust: Trust = False,
    results: Results = RESULTS,
    name: Name = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as evaluator_args.costs=[params].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare spaces by random architectures of them.

    Told are the distributions of a metric, how far they differ by more than luck, and which choices move them. A killed
    study goes on where the same command is given again; populations and samples may be added.
    """
    labels = list(dict.fromkeys(population))
    if table is None and evaluator is None:
        populations = [_of_run(each, results, trust) for each in labels]
        if metric or minimise or settings:
            raise UsageError("--metric, --minimise and --set are of a table or a function; a search has its own.")
    elif not metric:
        raise UsageError("a study is of a metric; give --metric, a column of the table or a name of the function.")
    else:
        given = benchmark_settings(settings or [], "study")
        asked: dict[str, Any] = {
            "table": table,
            "evaluator": evaluator,
            "metric": metric,
            "minimise": minimise,
            "settings": given,
        }
        populations = [space_study.read_population(each, **asked) for each in labels]
    folder = results / (name or setup.plain_name(f"study-{populations[0].objective.metric}"))
    with interruptible(lambda: "; give the same command again to go on."):
        found = space_study.compare_populations(
            populations, folder, samples=samples, thresholds=at or (), seed=seed, workers=workers,
            progress=RichProgress(),
        )  # fmt: skip
    if as_json:
        echo(json.dumps(found))
        return
    _print_found(found)
    for file in ("space-study.html", "space-study.json", "edf.csv", "choices.csv", "samples.csv"):
        echo(f"  {folder / file}")


def _of_run(population: str, results: Path, trust: bool) -> "space_study.Population":
    """A population whose space is that of a finished search, which it names."""
    run = population.partition(" where ")[0].strip()
    return space_study.read_population(population, run=opened(results, run, trust).path)


def _print_found(found: Mapping[str, Any]) -> None:
    """Quantiles and shares of each population, the pairs, then what moves them most."""
    console, metric = TextConsole(), found["metric"]
    first = next(iter(found["populations"].values()))
    heads = ["best", *(f"best {float(each):.0%}" for each in first["quantiles"])]
    heads += [f"reach {written(metric, float(each))}" for each in first["shares"]]
    table = new_table(["population"], heads, f"{label(metric)} that the best so many per cent reach")
    for name, row in found["populations"].items():
        values = [row["best"], *(each["value"] for each in row["quantiles"].values())]
        shares = [f"{each['share']:.1%}" for each in row["shares"].values()]
        table.add_row(name, *(_value(metric, value) for value in values), *shares)
    console.print(table)
    for pair in found["differences"]:
        found_out = (
            f"{pair['better']} is ahead of {pair['worse']} where they differ most"
            if pair["p"] < _CERTAIN
            else f"No difference is shown between {pair['better']} and {pair['worse']}"
        )
        console.say(f"{found_out}: distance {pair['distance']:.2f}, p = {pair['p']:.2g} (Kolmogorov-Smirnov, Holm)")
    for name, rows in found["choices"].items():
        certain = [each for each in rows if each["p"] < _CERTAIN]
        console.say(f"What moves {name} most:" if certain else f"No choice moves {name} by more than luck.")
        for row in certain[:_MOST_EFFECTS]:
            medians = f"median {_value(metric, row['median'])}, of the others {_value(metric, row['others'])}"
            console.say(f"{row['choice']} = {row['candidate']}: {medians} (p = {row['p']:.2g})", indent=2)


def _value(metric: str, value: float | None) -> str:
    return "none" if value is None else written(metric, value)
