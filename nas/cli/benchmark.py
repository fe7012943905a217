"""The command ``nas benchmark``: strategies compared on a table of results or a function."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nas import benchmark, setup
from nas.cli.completion import part_names
from nas.cli.interrupts import interruptible
from nas.cli.options import RESULTS, Json, Name, Results
from nas.cli.progress import RichProgress
from nas.cli.tables import new_table
from nas.cli.terminal import TextConsole, echo
from nas.errors import UsageError
from nas.setup.spaces import SPACES

__all__ = ["benchmark_settings", "run_benchmark"]

_SETTINGS = ("space_args", "extra", "evaluator_args", "evaluation")
_MOST_PAIRS = 6
_CERTAIN = 0.05


def run_benchmark(
    space: Annotated[
        str,
        typer.Option(
            help="As of `nas search`: a name, a YAML file or module:object.", autocompletion=part_names(SPACES)
        ),
    ],
    table: Annotated[Path | None, typer.Option(help="CSV, parquet or JSON file of results.")] = None,
    evaluator: Annotated[str | None, typer.Option(help="In place of it module:function of an architecture.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="What is searched for: a column, or a name of the function.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="The table's column with what the network found is worth.")] = None,
    cost: Annotated[str | None, typer.Option(help="A second column or name, which is minimised.")] = None,
    minimise: Annotated[bool, typer.Option("--minimise", help="Smaller values of the metric are better.")] = False,
    constraint: Annotated[list[str] | None, typer.Option(help="Such as 'ms <= 2'; may be repeated.")] = None,
    strategies: Annotated[
        str, typer.Option(help="Names with commas between; options behind a name: 'random,evolution population=10'.")
    ] = "random,evolution,tpe",
    seeds: Annotated[int, typer.Option(min=1, max=10**5, help="Searches of each strategy.")] = 50,
    candidates: Annotated[int, typer.Option(min=1, max=10**6, help="Architectures that each search may try.")] = 200,
    batch: Annotated[
        int, typer.Option(min=1, max=10**6, help="How many a strategy is asked for at a time, before it is told.")
    ] = 1,
    workers: Annotated[int, typer.Option(min=1, max=4096, help="Processes.")] = 1,
    results: Results = RESULTS,
    name: Name = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as evaluator_args.where.epochs=12.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare strategies on a table or a function.

    Each searches with many seeds. A killed benchmark goes on where the same command is given again, and strategies or
    seeds that are added to it add rows.
    """
    given = benchmark_settings(settings or [], "benchmark")
    question = benchmark.benchmark_question(
        space,
        table=table,
        evaluator=evaluator,
        metric=metric,
        test=test,
        cost=cost,
        minimise=minimise,
        constraints=constraint or (),
        candidates=candidates,
        batch=batch,
        settings=given,
    )
    folder = results / (name or setup.plain_name(f"benchmark-{Path(space).stem}-{question.objective.metric}"))
    with interruptible(lambda: "; give the same command again to go on."):
        found = benchmark.compare(
            question, strategies.split(","), folder, seeds=seeds, workers=workers, progress=RichProgress()
        )
    if as_json:
        echo(json.dumps(found))
        return
    _print_found(found)
    for file in ("benchmark.html", "benchmark.json", "benchmark.csv"):
        echo(f"  {folder / file}")


def benchmark_settings(settings: Sequence[str], kind: str) -> dict[str, Any]:
    """What ``--set`` gives a benchmark, or something of that kind.

    Raises:
        UsageError: it has no such setting.
    """
    given: dict[str, Any] = {}
    for setting in settings:
        setup.assign(given, setting)
    for key in given:
        if key not in _SETTINGS:
            raise UsageError(f"--set {key} is no setting of a {kind}; known are {', '.join(_SETTINGS)}.")
    return given


def _print_found(found: Mapping[str, Any]) -> None:
    """Means with spreads for each checkpoint, then which strategies differ."""
    from nas.report.benchmark import figure_words

    console = TextConsole()
    for name, words in figure_words(found).items():
        counts, optimum = list(map(str, found["checkpoints"])), found["optimum"][name]
        heads = [f"@ {count}" for count in counts] + ([] if optimum is None else ["regret"])
        title = words if optimum is None else f"{words}; the best there is: {optimum:.5g}"
        table = new_table(["strategy"], heads, title)
        for row in found["strategies"]:
            regret = [] if optimum is None else [_number(row[name][counts[-1]]["regret"])]
            table.add_row(row["strategy"], *(_spread(row[name][count]) for count in counts), *regret)
        console.print(table)
        if found["epochs"] is not None:
            console.say(f"@ 1 stands for {found['epochs']} epochs, be it of one training or of several.", indent=2)
        if all(row[name][counts[-1]]["mean"] is None for row in found["strategies"]):
            console.say(
                "No architecture that was evaluated has a value and satisfies the constraints, so nothing is compared.",
                style="yellow",
            )
    tested = found["significance"]
    if tested["friedman"] is not None:
        console.say(
            f"That all strategies are alike has p = {tested['friedman']:.2g} (Friedman, {tested['seeds']} seeds)."
        )
    certain = [pair for pair in sorted(tested["pairs"], key=lambda pair: pair["p"]) if pair["p"] < _CERTAIN]
    for pair in certain[:_MOST_PAIRS]:
        console.say(f"{pair['better']} is better than {pair['worse']}: p = {pair['p']:.2g} (Wilcoxon, Holm)", indent=2)
    if tested["pairs"] and not certain:
        console.say("No two of them differ by more than luck (Wilcoxon, Holm).", indent=2)
    for note in found["notes"]:
        console.say(note, style="yellow")


def _spread(found: Mapping[str, float | None]) -> str:
    spread = "" if found["sd"] is None else f" ± {found['sd']:.2g}"
    return f"{_number(found['mean'])}{spread}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.5g}"
