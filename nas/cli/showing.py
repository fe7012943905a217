"""The command ``nas show``: what is known of a run, from its files."""

import json
from collections.abc import Mapping
from typing import Any

from nas import runs, setup
from nas.cli.latency import tell_profile
from nas.cli.options import RESULTS, AnyRun, Json, Results
from nas.cli.run_tables import print_state
from nas.cli.tables import print_result
from nas.cli.terminal import echo
from nas.cli.without_model import print_found

__all__ = ["show"]


def show(run: AnyRun, results: Results = RESULTS, as_json: Json = False) -> None:
    """Tell again what a run found, or how far it is.

    It reads the files of the run alone: nothing is imported, measured or written.
    """
    folder = setup.find_run(run, results)
    told: Mapping[str, Any] = runs.told_of(folder)
    if folder.state != "finished":
        if as_json:
            echo(json.dumps(told))
        else:
            print_state(told, folder)
    elif folder.kind == "profile":
        tell_profile(dict(told), folder, as_json)
    elif as_json:
        echo(json.dumps(told))
    else:
        with setup.naming_damage(folder.best):
            (print_result if folder.has_network else print_found)(told, folder)
