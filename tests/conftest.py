"""Tests run in several processes, so each counts with one thread, and keep no key in the home of whoever runs them."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nas.setup import RunFolder

os.environ.setdefault("OMP_NUM_THREADS", "1")
if "NAS_TEST_STATE" not in os.environ:
    os.environ["NAS_TEST_STATE"] = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="nas-state-")
    atexit.register(shutil.rmtree, os.environ["NAS_TEST_STATE"], ignore_errors=True)


def pytest_xdist_auto_num_workers() -> int:
    """Hyper-threads count: these are what a small machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture(scope="module")
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
