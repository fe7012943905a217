"""The commands ``nas report`` and ``nas watch``: the page of a run."""

from contextlib import suppress
from typing import Annotated

import typer

from nas import runs, setup
from nas.cli.options import RESULTS, AnyRun, Results, Trust
from nas.cli.progress import RichProgress
from nas.cli.terminal import echo

__all__ = ["report", "watch"]


def report(run: AnyRun, trust: Trust = False, results: Results = RESULTS) -> None:
    """Write the page of a run anew and print its path.

    Of a run that has not ended it is progress.html, with what there is so far. Nothing is trained or measured again.
    """
    folder = setup.find_run(run, results)
    if trust:
        folder.trust()
    echo(str(runs.refresh_report(folder, RichProgress())))


def watch(
    run: AnyRun,
    port: Annotated[int, typer.Option(min=0, max=65535, help="By default one that is free.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on; this machine alone by default.")] = "127.0.0.1",
    every: Annotated[int, typer.Option(min=1, max=3600, help="Seconds after which the browser asks again.")] = 5,
    results: Results = RESULTS,
) -> None:
    """Show a run in the browser while it goes on.

    It reads the files of the run alone and serves one page until Ctrl-C.
    """
    folder = setup.find_run(run, results)
    with runs.served(folder, host, port, every) as server, suppress(KeyboardInterrupt):
        where, taken = server.server_address[:2]
        echo(f"http://{where!s}:{taken}/ shows {folder.path}; Ctrl-C ends it.", err=True)
        server.serve_forever()
