"""`nas search --constraint-sweep` and `--supernet`, as they are typed."""

from pathlib import Path

import pytest
from command_line import nas, search_arguments


def test_a_sweep_keeps_the_constraints_of_the_file_and_prints_a_row_for_each_bound(tmp_path: Path) -> None:
    arguments = [each for each in search_arguments(tmp_path, "--name", "many") if each != "--json"]
    outcome = nas(*arguments, "--constraint-sweep", "params <= 60,90% of largest")
    assert outcome.code == 0, outcome.err
    assert "params <= 60% of largest" in outcome.out and "many-params-90" in outcome.out
    for bound in (60, 90):
        config = (tmp_path / f"results/many-params-{bound}/config.yaml").read_text()
        assert f"- params <= {bound}% of largest\n- flops <= 60% of largest" in config
    again = nas("search", "--supernet", "many-params-90", "--results", tmp_path / "results", "--name", "again")
    assert again.code == 0, again.err
    assert "Training the supernet" not in again.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--constraint-sweep", "params <= 60"], "cannot be read"),
        (["--constraint-sweep", "params <= 60,90", "--seeds", "2"], "cannot go together"),
        (["--supernet", "nowhere"], "does not exist"),
        (["--time", "soon"], "time is 'soon'"),
    ],
)
def test_a_mistake_ends_with_one_sentence(more: list[str], said: str, tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, "--name", "run"), *more)
    assert outcome.code == 2
    assert said in outcome.complaint
    assert not (tmp_path / "results/run").exists()
