"""A search as a job on a cluster: what is sent there, and how its folder comes back."""

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from nas.distributed.jobs import Jobs
from nas.errors import UsageError
from nas.files import write_file
from nas.parts import check_options
from nas.runs.log_transfer import unpack
from nas.setup.checks import check_parts
from nas.setup.config import RayConfig, RunConfig
from nas.setup.evaluator import known_results
from nas.setup.folder import RunFolder
from nas.setup.names import check_name, is_table
from nas.setup.resolution import resolve
from nas.setup.spaces import OWN_MODEL, SPACES
from nas.setup.trust import is_sealed, own_parts, seal
from nas.setup.values import read_yaml

__all__ = ["bring_back", "complaint", "require_free", "search_to_send", "submit_search", "submitted_name"]

_CONFIG = "config.yaml"
_RESULTS = "~/nas-results"
"""Where runs are kept on the head node."""
_SEALED = "job"
_MOST_BYTES = 500 * 2**20
_NOT_SENT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".gitignore", ".rayignore")


@contextmanager
def search_to_send(config: RunConfig, name: str, beside: Path, include: Sequence[Path] = ()) -> Iterator[Path]:
    """The folder that a search is sent to a cluster with, for as long as the block lasts.

    Beside the configuration it has the modules that this names as ``module:function``, found beside its file or in the
    current folder.

    Args:
        config: what is asked for; paths in it are those of the cluster, unless they are included.
        name: of the run.
        beside: folder of the configuration's file.
        include: more files and folders; those below the current folder keep their place, others go to the top.

    Raises:
        UsageError: the configuration cannot be right there, something is not to be found here, or it is too large.
    """
    check_name(name, "--name")
    _check_names(config)
    _check_paths(config, include)
    with tempfile.TemporaryDirectory(prefix="nas-submit-") as made:
        folder = Path(made)
        for path in include:
            _copy(path, folder / _sent_path(path))
        for own in own_parts(config).values():
            _copy_module(own, beside, folder)
        write_file(folder / _CONFIG, config.to_yaml())
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > _MOST_BYTES:
            raise UsageError(
                f"{size / 2**20:.0f} MiB would be sent, and Ray takes {_MOST_BYTES / 2**20:.0f}; put the data on the "
                "cluster and give its absolute path there."
            )
        yield folder


def submit_search(jobs: Jobs, folder: Path, name: str, python: str = "python") -> str:
    """Starts the search of a folder as a job and gives its id; one of that name that was cut short goes on.

    Args:
        jobs: of the cluster.
        folder: as :func:`search_to_send` makes it.
        name: of the run.
        python: the command that starts Python on the cluster.

    Raises:
        UsageError: the cluster refuses it.
    """
    there = f"--ray auto --results {_RESULTS} --name {shlex.quote(name)}"
    command = f"{python} -P -m nas search --config {_CONFIG} {there} --json"
    config = resolve(read_yaml(folder / _CONFIG), _CONFIG)
    metadata = {"nas_run": name, "nas_python": python, "nas_seal": seal(_SEALED, _as_there(config)) or ""}
    return jobs.submit(command, metadata, folder)


def submitted_name(metadata: Mapping[str, str], job: str) -> str:
    """The name of the run that a job works on.

    Raises:
        UsageError: the job is none of ``nas submit``, or the name is none of a run.
    """
    if "nas_run" not in metadata:
        raise UsageError(f"job '{job}' is no search that `nas submit` sent.")
    return check_name(metadata["nas_run"], f"the run of job '{job}'")


def bring_back(jobs: Jobs, job: str, path: Path, checkpoints: bool = False) -> int:
    """Makes the folder of a finished run here, whole or not at all; a second job hands it over in its log.

    It is the user's own if it reaches what the user sent from here and no more, else one of somebody else.

    Args:
        jobs: of the cluster.
        job: that has ended well.
        path: the folder to make.
        checkpoints: of any size; otherwise only up to 50 MB together.

    Returns:
        Bytes of checkpoints that were left there.

    Raises:
        UsageError: the run is not there, or its folder does not come through.
    """
    metadata = jobs.metadata(job)
    name = submitted_name(metadata, job)
    words = [shlex.quote(name), "--results", _RESULTS, *(["--checkpoints"] if checkpoints else [])]
    courier = jobs.submit(f"{metadata.get('nas_python', 'python')} -P -m nas parcel {' '.join(words)}")
    ending = jobs.wait(courier)
    output = jobs.output(courier)
    jobs.forget(courier)
    if not ending.succeeded:
        raise UsageError(f"the folder of run '{name}' cannot be brought back: {complaint(output) or ending.message}")
    left_out = unpack(output, path)
    folder = RunFolder(path)
    if is_sealed(_SEALED, folder.read_config(), metadata.get("nas_seal")):
        folder.trust()
    return left_out


def _as_there(config: RunConfig) -> RunConfig:
    """The configuration as the job runs it: on the cluster that it was sent to, whose address it is not told."""
    return config.model_copy(update={"ray": RayConfig()})


def complaint(log: str) -> str | None:
    """The sentence with which ``nas`` refused, from its log."""
    said = [line.removeprefix("nas: ") for line in log.splitlines() if line.startswith("nas: ")]
    return said[-1] if said else None


def require_free(path: Path) -> None:
    """Refuses a folder that exists already.

    Raises:
        UsageError: it does.
    """
    if path.exists():
        raise UsageError(f"{path} is there already; delete it, or bring the run elsewhere with --results.")


def _check_names(config: RunConfig) -> None:
    """Refuses names that no cluster can know; modules of the user are looked for when they are sent."""
    check_parts(config)
    if SPACES.own_code(config.space) is None:
        check_options(SPACES[config.space], config.space_args, f"space '{config.space}'")


def _check_paths(config: RunConfig, include: Sequence[Path]) -> None:
    """Refuses relative paths to what is not sent along."""
    table = is_table(config.target)
    paths = {
        "data_dir": config.data_dir,
        "profile.run": config.profile.run,
        "target": config.target if table else None,
        "evaluator_args.path": known_results(config),
        "space_args.checkpoint": config.space_args.get("checkpoint") if config.space == OWN_MODEL else None,
    }
    named = [(key, Path(path)) for key, path in paths.items() if path is not None]
    named += [] if table else [("profile.known", Path(known.partition("@")[0])) for known in config.profile.known]
    sent = [_sent_path(path) for path in include]
    for key, path in named:
        if not path.is_absolute() and not any(path.is_relative_to(each) for each in sent):
            advice = (
                f"add --include {shlex.quote(str(path))}" if _sent_path(path) == path else "move it below this folder"
            )
            where = "here and there" if key == "space_args.checkpoint" else "there"  # its digest is taken here
            raise UsageError(
                f"{key} is '{path}', which is not sent to the cluster; {advice}, or give the absolute path that it has "
                f"{where}."
            )


def _copy_module(function: str, beside: Path, folder: Path) -> None:
    """Copies the file or package that a function is in, unless it is there.

    One that is installed here is taken to be so on the cluster too.
    """
    module = function.partition(":")[0].partition(".")[0]
    files = [parent / name for parent in (folder, beside, Path()) for name in (module, f"{module}.py") if module]
    found = next((file for file in files if file.exists()), None)
    if found and found.parent != folder:
        _copy(found, folder / found.name)
    elif not found and not (module.isidentifier() and find_spec(module)):
        raise UsageError(
            f"'{function}' is in no module beside the configuration or in the current folder; add its file or package "
            "with --include."
        )


def _copy(path: Path, to: Path) -> None:
    if not path.exists():
        raise UsageError(f"--include is '{path}', which is not there; give a file or a folder.")
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, to, ignore=_NOT_SENT, dirs_exist_ok=True)
    else:
        shutil.copy2(path, to)


def _sent_path(path: Path) -> Path:
    """Where an included path goes: its place below the current folder, or the top."""
    path, here = path.resolve(), Path().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
