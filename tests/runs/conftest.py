from pathlib import Path

import pytest
from killing import finish
from searched import SETTINGS, own_copy

from nas.runs import RunFolder


@pytest.fixture(params=["csv", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a table is to be written, in each kind."""
    return tmp_path / f"table.{request.param}"


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
