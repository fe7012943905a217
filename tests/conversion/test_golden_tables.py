"""What `print` shows of the small models is kept; `python tests/conversion/test_golden_tables.py` writes it anew."""

from pathlib import Path

import pytest
from plain_models import MODELS, made

import nas

GOLDEN = Path(__file__).parent / "golden"


def shown(name: str) -> str:
    model = made(name)
    return f"{nas.elastic(model.model, model.example)}\n"


@pytest.mark.parametrize("name", MODELS)
def test_the_table_is_the_one_that_is_kept(name: str) -> None:
    assert shown(name) == (GOLDEN / f"{name}.txt").read_text()


if __name__ == "__main__":
    for each in MODELS:
        (GOLDEN / f"{each}.txt").write_text(shown(each))
