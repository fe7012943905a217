"""The page that says how good it is says what the rows say."""

from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parents[2] / "results"


def test_every_figure_of_the_page_is_that_of_its_rows(part: Any) -> None:
    claims, page = part("claims"), (FOLDER / "README.md").read_text()
    for claim in claims.CLAIMS:
        figure = claim.figure(pd.read_csv(FOLDER / "benchmarks" / claim.rows))
        assert figure and "nan" not in figure
        assert f"| {claim.question} | {figure} |" in page, "python results/claims.py writes the page anew"
