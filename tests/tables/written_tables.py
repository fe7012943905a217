"""Tables of architectures as users write them."""

from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["write"]


def write(path: Path, **columns: list[Any]) -> Path:
    """A CSV or parquet file of these columns."""
    table = pd.DataFrame(columns)
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return path
