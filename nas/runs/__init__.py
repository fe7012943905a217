"""A search from data to the network that is handed over, alone, with several seeds, or as a job on a cluster."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.runs.comparison import compare as compare
    from nas.runs.export import export_architecture as export_architecture
    from nas.runs.listing import runs_in as runs_in
    from nas.runs.log_transfer import pack as pack
    from nas.runs.nni_export import export_for_nni as export_for_nni
    from nas.runs.removal import (
        find_removable as find_removable,
        remove_run as remove_run,
        removed_size as removed_size,
    )
    from nas.runs.reporting import refresh_report as refresh_report
    from nas.runs.run import run_search as run_search
    from nas.runs.seeds import run_seeds as run_seeds
    from nas.runs.submission import (
        bring_back as bring_back,
        complaint as complaint,
        require_free as require_free,
        search_to_send as search_to_send,
        submit_search as submit_search,
        submitted_name as submitted_name,
    )
    from nas.runs.sweep import run_sweep as run_sweep, swept as swept
    from nas.runs.telling import how_far as how_far, told_of as told_of
    from nas.runs.watching import served as served
    from nas.runs.without_model import search_without_model as search_without_model
    from nas.setup import RunConfig as RunConfig, RunFolder as RunFolder, resolve as resolve

lazy(__name__)
