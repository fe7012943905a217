"""The command ``nas compare``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas import runs
from nas.cli.completion import run_names
from nas.cli.options import RESULTS, Json, Results
from nas.cli.run_tables import print_comparison
from nas.cli.terminal import echo

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare"]


def compare(
    run: Annotated[
        list[str],
        typer.Argument(help="Names of finished searches, or paths of their folders.", autocompletion=run_names),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file to write; by default comparison.html beside the first run.")
    ] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Lay finished searches beside each other.

    Their networks and the settings that differ are told, and a page shows their fronts over each other.
    """
    found = runs.compare(run, out, results=results)
    rows = _known(found.table).to_dict(orient="records")
    settings = _known(found.settings).to_dict(orient="index")
    if as_json:
        echo(json.dumps({"runs": rows, "settings": settings, "page": str(found.page)}))
        return
    print_comparison(rows, settings)
    echo(f"  {found.page}")


def _known(table: "pd.DataFrame") -> Any:
    """The table of plain values, None where there is none."""
    return table.astype(object).where(table.notna(), None)
