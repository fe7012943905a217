"""The commands about clusters: ``nas submit`` and ``nas fetch``."""

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas import distributed, runs, setup
from nas.cli import options
from nas.cli.groups import PlaceOptions
from nas.cli.interrupts import interruptible
from nas.cli.settings import resolve_search
from nas.cli.tables import print_result
from nas.cli.terminal import echo
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.distributed import Ending, Jobs

__all__ = ["fetch", "parcel", "submit"]

Address = Annotated[str, typer.Option(help="Of the cluster's dashboard, such as http://head:8265.")]
NewName = Annotated[str | None, typer.Option("--name", help="Name of the run; by default a new one.")]
Checkpoints = Annotated[bool, typer.Option("--checkpoints", help="Bring trained weights of over 50 MB back too.")]
_RESULT = '{"run": '


def submit(
    config: Annotated[Path, typer.Argument(help="YAML file with any of the keys of a run's config.yaml.")],
    address: Address,
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder that the search needs there; may be repeated.")
    ] = None,
    workers: options.Workers = None,
    gpus_per_worker: options.GpusPerWorker = None,
    train_workers: options.TrainWorkers = None,
    measure_on: options.MeasureOn = None,
    storage: options.Storage = None,
    study: options.Study = None,
    python: Annotated[str, typer.Option(help="What starts the Python that has nas, on the cluster.")] = "python",
    results: options.Results = options.RESULTS,
    name: NewName = None,
    settings: options.Settings = None,
    checkpoints: Checkpoints = False,
    as_json: options.Json = False,
) -> None:
    """Search on a Ray cluster and bring the results back.

    It sends configuration and code, and follows the job.
    Whatever happens to this command, the job goes on; `nas fetch` comes back to it.
    Submitted again under the same name, a search that was cut short goes on.
    """
    place = PlaceOptions(workers, None, gpus_per_worker, train_workers, measure_on).settings
    resolved, stem = resolve_search(config, {**place, "storage": storage, "study": study}, settings, results)
    name = name or f"{stem}-{time.strftime('%m%d-%H%M%S')}"
    runs.require_free(results / name)
    with runs.search_to_send(resolved, name, config.parent, include or []) as folder:
        jobs = distributed.Jobs(address)
        job = runs.submit_search(jobs, folder, name, python)
    echo(f"job {job}, run {name}; come back at any time with: {_return(job, jobs, results)}", err=True)
    _finish(jobs, job, results, checkpoints, as_json)


def fetch(
    job: Annotated[str, typer.Argument(help="The id that `nas submit` printed.")],
    address: Address,
    results: options.Results = options.RESULTS,
    checkpoints: Checkpoints = False,
    as_json: options.Json = False,
) -> None:
    """Follow a job of `nas submit` again."""
    _finish(distributed.Jobs(address), job, results, checkpoints, as_json)


def parcel(run: options.Run, results: options.Results = options.RESULTS, checkpoints: Checkpoints = False) -> None:
    """Write a finished run out as text, for `nas fetch`."""
    typer.echo(runs.pack(setup.find_run(run, results.expanduser()), checkpoints))


def _finish(jobs: "Jobs", job: str, results: Path, checkpoints: bool, as_json: bool) -> None:
    """Follows a job to its end, then makes the folder of its run here and tells the result."""
    path = results / runs.submitted_name(jobs.metadata(job), job)
    runs.require_free(path)
    with interruptible(lambda: f"; the job goes on; come back with: {_return(job, jobs, results)}"):
        ending = jobs.follow(job, _tell)
        _require_success(ending, jobs, job)
        left = runs.bring_back(jobs, job, path, checkpoints)
    if left:
        again = f"{_return(job, jobs, Path(f'{results}-with-checkpoints'))} --checkpoints"
        echo(f"{left / 1e6:.0f} MB of checkpoints stay on the cluster; {again} brings them.", err=True)
    folder = setup.RunFolder(path)
    result = folder.result
    if as_json:
        echo(json.dumps(result))
    else:
        print_result(result, folder)


def _require_success(ending: "Ending", jobs: "Jobs", job: str) -> None:
    """Ends with 2 where the search refused what the user asked for, with 1 where it broke."""
    if ending.succeeded:
        return
    sentence = runs.complaint(jobs.output(job))
    if ending.code == 2 and sentence:
        raise UsageError(f"job {job} was refused on the cluster: {sentence}")
    first = ending.message.partition("\n")[0].rstrip(".")
    echo(
        f"nas: job {job} {ending.status.lower()} ({first}); submit it again under its --name to go on from there.",
        err=True,
    )
    raise typer.Exit(1)


def _tell(line: str) -> None:
    if not line.startswith(_RESULT):
        echo(line, err=True)


def _return(job: str, jobs: "Jobs", results: Path) -> str:
    flag = [] if results == options.RESULTS else ["--results", str(results)]
    return shlex.join(["nas", "fetch", job, "--address", jobs.address, *flag])
