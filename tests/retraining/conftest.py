from pathlib import Path

import pytest
from killing import finish
from searched import SETTINGS, own_copy

from nas.setup import RunFolder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search."""
    folder = tmp_path_factory.mktemp("finished")
    finish(folder, SETTINGS)
    return folder / "run"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> RunFolder:
    """That search, to be changed."""
    return own_copy(finished, tmp_path)
