from pathlib import Path

import pytest


@pytest.fixture(params=["csv", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a table is to be written, in each kind."""
    return tmp_path / f"table.{request.param}"
