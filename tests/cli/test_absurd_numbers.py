"""Numbers and brackets that no user means: one sentence each, at once."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from command_line import nas, search_arguments

DEEP, LONG = "[" * 3000, "9" * 4400
SETTINGS = {
    "brackets": (f"space_args.width={DEEP}", "is not YAML|brackets"),
    "closed brackets": (f"space_args.width={DEEP}{']' * 3000}", "too deep to read); write it with 30 levels or fewer"),
    "forty levels": (f"space_args.width={'[' * 40}{']' * 40}", "space_args.width has more than 30 levels"),
    "digits": (f"candidates={LONG}", "4300 digits"),
    "hundred digits": (f"space_args.width={'9' * 100}", "space_args.width is an integer of more than 64 bits"),
    "hexadecimal digits": (f"space_args.width=0x{'f' * 9000}", "more than 64 bits"),
    "threads": ("cpu_threads=100000", "cpu_threads is 100000, but input should be less than or equal to 1024"),
    "threads of the target": ("threads=5000", "threads is 5000, but"),
    "epochs": ("training.epochs=9999999999", "training.epochs is 9999999999, but"),
    "workers": ("workers=1000000", "workers is 1000000, but"),
    "workers of this machine": ("workers=90000", "90000 CPUs are asked for"),
    "batch": ("latency_batch=10000000", "latency_batch is 10000000, but"),
    "a text": ("candidates=" + "x" * 5000, "candidates is 'xxx"),
    "infinity": ("training.learning_rate=.inf", "training.learning_rate is inf, but"),
    "a constraint": ("constraints=[params <= 1e999]", "cannot be read; write a metric"),
    "many": (f"strategy_args.x=[{'1,' * 100001}]", "more than 100,000 values"),
}


@pytest.mark.parametrize(("setting", "expected"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting(setting: str, expected: str, tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, "--set", setting))
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and len(outcome.err) < 1000
    assert any(each in outcome.err for each in expected.split("|"))
    assert not (tmp_path / "results").exists()


LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{last}'] * 10)}]\n" for last, name in pairwise("abcdefghi")
)
FILES = {"brackets": f"space: {DEEP}", "digits": f"seed: {LONG}", "closed": f"a: {DEEP}{']' * 3000}", "laughs": LAUGHS}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    outcome = nas("search", "--config", tmp_path / "run.yaml", "--results", tmp_path / "results")
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and len(outcome.err) < 1000
    assert "run.yaml" in outcome.err and not (tmp_path / "results").exists()


@pytest.mark.parametrize("text", ['{"a":' * 3000, f'{{"layer0": {LONG}}}', "[" * 3000], ids=["deep", "digits", "list"])
def test_an_architecture(text: str, finished: tuple[Path, Any]) -> None:
    outcome = nas("export", "tiny", "--results", finished[0], "--architecture", text)
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and len(outcome.err) < 2100


@pytest.mark.parametrize("name", ["best.json", "run.json"])
def test_a_file_of_a_run(name: str, copied: Path) -> None:
    (copied / "tiny" / name).write_text('{"a":' * 3000)
    outcome = nas("export", "tiny", "--results", copied)
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and f"{name} is damaged" in outcome.err


@pytest.mark.parametrize(
    "words", [["--candidates", LONG], ["--seed", LONG], ["--workers", "9" * 30], ["--seeds", "9" * 9]]
)
def test_an_option(words: list[str], tmp_path: Path) -> None:
    outcome = nas("search", *words, "--results", tmp_path / "results")
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and len(outcome.err) < 2100
    assert not (tmp_path / "results").exists()
