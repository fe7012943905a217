"""One finished run that many tests look at, and copies of it for those that break something."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Outcome, nas, search_arguments


@pytest.fixture(scope="session", autouse=True)
def wide() -> Iterator[None]:
    """Sentences stay on one line; that all of it fits 80 columns is tested by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The results folder with the finished run ``tiny``, and what the search said."""
    folder = tmp_path_factory.mktemp("finished")
    outcome = nas(*search_arguments(folder, "--name", "tiny"))
    assert outcome.code == 0, outcome.err
    return folder / "results", outcome


@pytest.fixture
def copied(finished: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A results folder with a copy of the finished run ``tiny``."""
    return Path(shutil.copytree(finished[0], tmp_path / "results"))
