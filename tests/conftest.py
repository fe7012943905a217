"""Tests run in several processes, so each counts with one thread, and keep no key in the home of whoever runs them.

Folders of commands and runs hold tests of whole searches, processes and Ray, which wait until somebody names them.
"""

import atexit
import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nas.setup import RunFolder

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_worker_niceness", "0")  # by default they have so little of a busy machine that tests wait
if "NAS_TEST_STATE" not in os.environ:
    os.environ["NAS_TEST_STATE"] = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="nas-state-")
    os.environ["NAS_TEST_SESSION"] = str(os.getpid())
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # of all Rays of these tests
    atexit.register(shutil.rmtree, os.environ["NAS_TEST_STATE"], ignore_errors=True)


HERE = Path(__file__).parent
WHOLE = {"cli", "delivery", "distributed", "docs", "extensions", "ranking", "results", "retraining", "runs"}


def pytest_configure(config: pytest.Config) -> None:
    """``pytest`` alone runs what is not ``whole``; who names files, folders or marks gets what they name."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS and config.option.markexpr == "not slow":
        config.option.markexpr += " and not whole"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks these folders; files elsewhere mark what is ``whole`` in them."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] in WHOLE:
            item.add_marker(pytest.mark.whole)


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay to the end, so the garbage collector need not walk them every time."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """Hyper-threads count: these are what a small machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """That of the session; whatever asks for a Ray meanwhile gets this one. Tests that end a Ray start their own."""
    from one_ray import address

    from nas.distributed import connected

    with connected(address()) as found:
        yield found


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search."""
    from killing import finish
    from searched import SETTINGS

    folder = tmp_path_factory.mktemp("finished")
    finish(folder, SETTINGS)
    return folder / "run"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> "RunFolder":
    """That search, to be changed."""
    from searched import own_copy

    return own_copy(finished, tmp_path)
