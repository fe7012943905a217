"""The page of a run, written anew from its files: its report, or how far it is."""

from pathlib import Path
from typing import Any

from nas.files import write_file
from nas.report.live import render_progress
from nas.runs.telling import how_far
from nas.runs.without_model import rewrite_report
from nas.setup.damage import naming_damage
from nas.setup.events import read_events
from nas.setup.folder import RunFolder
from nas.setup.pretrained import called_space
from nas.setup.progress import Progress

__all__ = ["progress_page", "refresh_report"]


def refresh_report(folder: RunFolder, progress: Progress | None = None) -> Path:
    """Writes ``report.html`` of a finished run as this version does; else ``progress.html``, with what there is so far.

    Nothing is trained or measured again.

    Raises:
        UsageError: a file of the run is damaged, or another process works on a finished run.
    """
    if folder.state != "finished":
        return write_file(folder.path / "progress.html", progress_page(folder))
    config = folder.load_config()
    if folder.kind == "profile":
        from nas.latency import run_profile

        run_profile(config, folder, progress)
        return folder.report
    if not config.has_model:
        rewrite_report(config, folder)
        return folder.report
    from nas.delivery.conclusion import rewrite_result
    from nas.setup.own_code import naming_own_parts
    from nas.setup.run_setup import Setup

    with folder.lock(), naming_own_parts(config), naming_damage(folder.best):
        rewrite_result(Setup(config, folder.path), folder, folder.read(folder.best))
    return folder.report


def progress_page(folder: RunFolder) -> str:
    """The page of a run that has no result yet, as text.

    Raises:
        UsageError: a file of the run is damaged.
    """
    config = folder.read_config()
    about: dict[str, Any] = {"method": config.method, "evaluator": config.evaluator, "space": called_space(config)}
    about |= {"strategy": config.strategy, "task": config.task, "target": config.target}
    with naming_damage(folder.log_file):
        events = read_events(folder.log_file)
        return render_progress(how_far(folder), about | {"constraints": config.constraints}, events)
