"""What `nas search` does and prints where the space is searched without a model."""

import json
from collections.abc import Mapping
from typing import Any

from nas import runs, setup
from nas.cli.dashboard import dashboard_command
from nas.cli.interrupts import resumable
from nas.cli.progress import RichProgress
from nas.cli.tables import new_table
from nas.cli.terminal import TextConsole, echo
from nas.report.quantities import label, written
from nas.wording import counted

__all__ = ["print_found", "run_without_model"]

_MOST_ROWS = 20


def run_without_model(config: setup.RunConfig, folder: setup.RunFolder, as_json: bool) -> None:
    """Searches, and prints the front, or one JSON object."""
    with resumable(folder):
        result = runs.search_without_model(config, folder, RichProgress())
    if as_json:
        echo(json.dumps(result))
    else:
        print_found(result, folder)


def print_found(result: Mapping[str, Any], folder: setup.RunFolder) -> None:
    """The front, what is to be known of it, and where the files are."""
    console = TextConsole()
    console.print(_table(result))
    console.say(f"{counted(result['candidates'], 'architecture')} evaluated; {result['objective']}")
    for note in result["notes"]:
        console.say(note, style="yellow")
    files = (folder.report, folder.best, folder.candidates, folder.config)
    for line in (*files, *filter(None, [dashboard_command(folder)])):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _table(result: Mapping[str, Any]) -> Any:
    """The front with all figures; a test figure is known of the delivered one alone."""
    front, best = result["front"], result["best"]
    names = [name for name in best if name not in ("id", "architecture")]
    table = new_table(["#"], [label(name).lower() for name in names], f"Found by {result['run']}")
    table.add_column("architecture", overflow="fold")
    for row in [best, *front[1:_MOST_ROWS]]:
        figures = (written(name, row[name]) if name in row else "" for name in names)
        chosen = " ".join(f"{name}={value}" for name, value in row["architecture"].items())
        table.add_row(row["id"], *figures, chosen, style="bold green" if row is best else None)
    return table
