"""Wrong tables, devices, predictors and profiles: one sentence, nothing half-written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY, nas, write_config
from latency_tables import board_rows, write_board, write_table
from test_bad_inputs import check

from nas.setup import Setup, resolve
from nas.setup.names import is_table

FAST = {"networks": 6, "held_out": 4, "repeats": 2, "samples": 20, "seconds": 0.3}


@pytest.fixture(scope="module")
def setup() -> dict[str, Any]:
    """What a pack of the tiny space says of it."""
    given = {name: TINY[name] for name in ("space", "space_args", "data", "limit")}
    config = {**given, "data_dir": None, "image_size": None, "seed": 0}
    return {"config": config, "input_shape": [1, 8, 8], "fingerprint": Setup(resolve(TINY, "test")).space.fingerprint}


@pytest.fixture(scope="module")
def lab(setup: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a board's table, and results with a device ``my-board`` and an unfinished profile."""
    folder = tmp_path_factory.mktemp("lab")
    write_table(folder / "table.csv")
    write_table(folder / "short.csv", rows=5)
    board = write_board(folder / "board.csv", board_rows(setup))
    for name in ("my-board", "second"):
        outcome = nas("device", "import", board, "--target", name, "--results", folder / "results")
        assert outcome.code == 0, outcome.err
    config = resolve({**TINY, "target": "cpu"}, "test")
    (folder / "results/unfinished").mkdir()
    (folder / "results/unfinished/config.yaml").write_text(config.to_yaml())
    return folder


TABLE = ["--table", "table.csv", "--column", "alpha"]
KNOWN = ["--known", "my-board", "--known", "second"]

PROFILES: dict[str, tuple[list[Any], str]] = {
    "a table without its column": (["--table", "table.csv"], r"needs its column of latencies: give --table FILE and"),
    "a column without its table": (["--column", "alpha"], r"needs its column of latencies"),
    "a table and a target": ([*TABLE, "--target", "cpu"], r"from the table table.csv or from target 'cpu'; drop one"),
    "a table that is not there": (["--table", "no.csv", "--column", "alpha"], r"table 'no.csv' is no file"),
    "a table of another kind": (["--table", "table.xls", "--column", "a"], r"table.xls is neither a .csv nor"),
    "another column": (["--table", "table.csv", "--column", "alhpa"], r"no column 'alhpa'; did you mean 'alpha'\?"),
    "a column of text": (["--table", "table.csv", "--column", "architecture"], r"positive number of milliseconds"),
    "a column of a board": (
        ["--table", "board.csv", "--column", "latency_ms"],
        r"what a device pack measured.* import",
    ),
    "a table that is a target": (["--target", "table.csv"], r"table.csv row 1 misses the column 'latency_ms'"),
    "a parquet target without a column": (["--target", "t.parquet"], r"t.parquet needs the name of its column"),
    "a short table": (["--table", "short.csv", "--column", "alpha"], r"5 architectures, too few .* measure 6 or more"),
    "a table of another space": ([*TABLE, "mobilenet", "--set", "space_args={}"], r"table.csv', row 2 .*layer0"),
    "another option of a table": ([*TABLE, "--set", "target_args.sheet=1"], r"names 'sheet', but .* only 'column'"),
    "a dtype of a table": ([*TABLE, "--dtype", "int8"], r"dtype is 'int8', but target 'table.csv' is a table"),
    "a batch of a device": (["--target", "my-board", "--batch", 4], r"latency_batch is 4, .* measured with 1; leave"),
    "a device with another input": (["--target", "my-board", "--set", "image_size=16"], r"input_shape \[1, 8, 8\]"),
    "a device with another width": (["--target", "my-board", "--set", "space_args.width=8"], r"with space_args .*8"),
    "a device with another space": (["mobilenet", "--target", "my-board", "--set", "space_args={}"], r"space 'chain'"),
    "a device that is not there": (
        ["--target", "my-bord"],
        r"target 'my-bord' is not known; did you mean 'my-board'\?",
    ),
    "an unknown dtype": (["--dtype", "float8"], r"dtype of target 'onnxruntime' is 'float8'.*did you mean 'float"),
    "a dtype of another target": (["--target", "cpu", "--dtype", "int8"], r"'cpu' is 'int8', which it does not"),
    "an unknown option": (["--set", "target_args.provder=CPU"], r"no option 'provder'; did you mean 'provider'\?"),
    "an unknown provider": (["--set", "target_args.provider=NPU"], r"provider 'NPU' is not installed here, but .*CPU"),
    "a batch of none": (["--batch", 0], r"latency_batch is 0, but .*greater than or equal to 1"),
    "one known column": ([*TABLE, "--known", "beta"], r"names 'beta' alone, .* two devices; add another"),
    "one known device": (["--known", "my-board"], r"my-board' alone, .* two devices; add another"),
    "an unknown known column": ([*TABLE, "--known", "beta", "--known", "game"], r"'game'; did you mean 'gamma'\?"),
    "an unknown known device": (["--known", "my-bord", "--known", "x"], r"'my-bord' is neither .* mean 'my-board'\?"),
    "a known device twice": ([*KNOWN, "--known", "second@gpu"], r"names 'results/devices/second' twice; drop one"),
    "known devices of one platform": (
        ["--known", "my-board@gpu", "--known", "second@gpu"],
        r"names 2 devices of one platform 'gpu', but transfer learns from two platforms; add a device of another",
    ),
    "a known column of one platform": ([*TABLE, "--known", "beta@x", "--known", "gamma@x"], r"of one platform 'x'"),
    "a platform without a name": (
        ["--known", "my-board@", "--known", "second"],
        r"'my-board@' is not of the form NAME",
    ),
    "an unfinished known device": (["--known", "unfinished", "--known", "my-board"], r"'unfinished' is neither"),
    "no such predictor": (["--predictor", "nonsense"], r"predictor 'nonsense' is not known; known are linear,"),
    "transfer from nothing": (["--predictor", "transfer"], r"'transfer', but no device is known; name two or more"),
    "blocks of a table": ([*TABLE, "--predictor", "lookup"], r"'lookup', but target 'table.csv' is a table"),
    "blocks of a device": (["--target", "my-board", "--predictor", "lookup"], r"measurements.csv' is a table"),
    "too few samples": (["--samples", 3], r"profile.networks is 3, but .*greater than or equal to 4"),
}


@pytest.mark.parametrize(("arguments", "expected"), PROFILES.values(), ids=PROFILES)
def test_nothing_is_profiled(
    arguments: list[Any], expected: str, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab)
    before = sorted(lab.rglob("*"))
    config = write_config(tmp_path, profile=FAST)
    outcome = nas("profile", "--config", config, "--results", "results", "--json", *arguments)
    check(outcome, expected, lab)
    assert sorted(lab.rglob("*")) == before


SEARCHES: dict[str, tuple[list[Any], str]] = {
    "a table without its column": (["--table", "table.csv"], r"needs its column of latencies: give --table FILE and"),
    "a table and a target": ([*TABLE, "--target", "cpu"], r"from the table table.csv or from target 'cpu'; drop one"),
    "a device of another width": (
        ["--target", "my-board", "--set", "space_args.width=8"],
        r"results/devices/my-board is of space_args=.*'width': 4.*, but .*'width': 8",
    ),
    "no mapping of settings": (
        ["--target", "my-board", "--set", "profile=3"],
        r"goes into 'profile', which has no keys",
    ),
    "a name of a profile": (
        ["--name", "finished", "--target", "cpu", "--set", "profile.seconds=0.2"],
        r"results/finished holds a profile, and a search is asked for; choose another --name",
    ),
    "a profile that is not there": (["--profile", "unfnished"], r"'unfnished' does not .* mean 'unfinished'\?"),
    "an unfinished profile": (["--profile", "unfinished", "--target", "cpu"], r"has no latency predictor yet; finish"),
    "a profile of another target": (["--profile", "finished"], r"is of target='cpu', but 'onnxruntime' is asked for"),
    "a profile of another dtype": (
        ["--profile", "finished", "--target", "cpu", "--dtype", "float16"],
        r"is of dtype='float32', but 'float16'",
    ),
    "a profile of another space": (
        ["mobilenet", "--profile", "finished", "--target", "cpu", "--set", "space_args={}"],
        r"is of space='chain', but 'mobilenet'",
    ),
    "a profile of another width": (
        ["--profile", "finished", "--target", "cpu", "--set", "space_args.width=8"],
        r"is of space_args=.*'width': 4.*, but .*'width': 8",
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), SEARCHES.values(), ids=SEARCHES)
def test_a_predictor_of_something_else_begins_no_search(
    arguments: list[Any], expected: str, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab)
    config = write_config(tmp_path)
    if not Path("results/finished").exists():
        given = ["--target", "cpu", "--name", "finished", "--set", "profile.seconds=0.2"]
        assert nas("profile", "--config", config, "--results", "results", *given).code == 0
    before = sorted(lab.rglob("*"))
    check(nas("search", "--config", config, "--results", "results", *arguments), expected, lab)
    assert sorted(lab.rglob("*")) == before


def changed(**cells: Any) -> Callable[[list[dict[str, Any]]], object]:
    """The second row with other cells."""
    return lambda rows: rows[1].update(cells)


def other_setup(**changes: Any) -> Callable[[list[dict[str, Any]]], object]:
    """All rows from a pack with another setup."""

    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["setup"] = json.dumps({**json.loads(row["setup"]), **changes})

    return change


BOARDS: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "no row": (lambda rows: rows.clear(), r"has a header, but no measurement"),
    "too few rows": (lambda rows: rows.__delitem__(slice(5, None)), r"has 5 architectures, too few"),
    "a latency that is none": (changed(latency_ms="fast"), r"row 3, column 'latency_ms': 'fast' is no number"),
    "a latency of zero": (changed(latency_ms=0), r"row 3, column 'latency_ms': '0' is no finite number above zero"),
    "a latency of nan": (changed(latency_ms="nan"), r"row 3, column 'latency_ms': 'nan' is no finite"),
    "no repeats": (changed(repeats=0), r"row 3, column 'repeats': '0'"),
    "two boards": (changed(device="Another"), r"row 3, column 'device': 'Another' differs from 'Toy Board'"),
    "two packs": (changed(pack="4567"), r"row 3, column 'pack': '4567' differs"),
    "an architecture that is none": (changed(architecture="{"), r"row 3, column 'architecture': '{' is not JSON"),
    "another architecture": (changed(architecture='{"layer0": "mb9"}'), r"row 3, column 'architecture'.*mb9"),
    "a network measured twice": (lambda rows: rows.append(rows[0]), r"row 25, column 'architecture'.*already"),
    "no space": (other_setup(config=None), r"column 'setup' names no space"),
    "another space": (other_setup(config={"space": "chian"}), r"space 'chian' is not known; did you mean 'chain'\?"),
    "an unknown setting": (
        other_setup(config={"spaces": "chain"}),
        r"names 'spaces', which no .*; did you mean 'space'\?",
    ),
    "another version": (other_setup(fingerprint="0"), r"on another version of space 'chain'; pack it and measure"),
    "another input": (other_setup(input_shape=[3, 32, 32]), r"input_shape \[3, 32, 32\], but this run has \[1, 8, 8\]"),
}


@pytest.mark.parametrize(("damage", "expected"), BOARDS.values(), ids=BOARDS)
def test_a_board_table_that_is_wrong(
    damage: Callable[[list[dict[str, Any]]], object], expected: str, setup: dict[str, Any], tmp_path: Path
) -> None:
    rows = board_rows(setup)
    damage(rows)
    table = write_board(tmp_path / "back.csv", rows)
    outcome = nas("device", "import", table, "--target", "new", "--results", tmp_path / "results", "--json")
    check(outcome, expected, tmp_path)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"back.csv is empty"),
        (b"\xff\xfe\x00\x01", r"back.csv cannot be read as a CSV file"),
        (b"network,milliseconds\nfirst,1\n", r"back.csv row 1 misses the column 'architecture'"),
        (None, r"back.csv does not exist"),
    ],
    ids=["empty", "binary", "no pack's", "missing"],
)
def test_a_file_that_no_pack_wrote(content: bytes | None, expected: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "back.csv").write_bytes(content)
    arguments = ["device", "import", tmp_path / "back.csv", "--target", "new", "--results", tmp_path / "results"]
    check(nas(*arguments), expected, tmp_path)
    assert not (tmp_path / "results").exists()


def test_a_pack_of_data_that_are_elsewhere_says_how_to_name_their_folder(setup: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = {**setup, "config": {**setup["config"], "data": "npz", "data_dir": "/home/them/data"}}
    table = write_board(tmp_path / "back.csv", board_rows(elsewhere))
    arguments = ["device", "import", table, "--target", "new", "--results", tmp_path / "results"]
    check(nas(*arguments), r"made with data_dir=/home/them/data, which is not here; .*--set data_dir=", tmp_path)
    check(nas(*arguments, "--set", f"data_dir={tmp_path}"), r"train\.npz", tmp_path)
    assert not (tmp_path / "results").exists()


def test_an_import_that_was_begun_with_other_settings_is_not_mixed(lab: Path, tmp_path: Path) -> None:
    arguments = ["device", "import", lab / "board.csv", "--target", "new", "--results", tmp_path]
    assert nas(*arguments).code == 0
    (tmp_path / "devices/new/profile.json").unlink()
    expected = r"devices/new holds a run with profile\.networks=\d+, but 8 is .*--target, or .*: nas resume devices/new"
    check(nas(*arguments, "--samples", 8), expected, tmp_path)
    assert nas(*arguments).code == 0


def test_a_table_that_was_cut_off_names_the_row(setup: dict[str, Any], tmp_path: Path) -> None:
    table = write_board(tmp_path / "back.csv", board_rows(setup))
    table.write_bytes(table.read_bytes()[:-40])
    outcome = nas("device", "import", table, "--target", "new", "--results", tmp_path / "results")
    check(outcome, r"back.csv row 24", tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my-board", r"device 'my-board' is already in .*; choose another --target, or delete that folder"),
        ("../x", r"device name '../x' cannot name a folder"),
        (".hidden", r"device name '.hidden' cannot name a folder"),
        ("", r"device name '' cannot name a folder"),
        ("a b", r"device name 'a b' cannot name a folder"),
        ("x.csv", r"device name 'x.csv' cannot name a folder"),
        ("cpu", r"device name 'cpu' is that of a target of this machine"),
        ("cuda", r"device name 'cuda' is that of a target of this machine"),
    ],
)
def test_a_name_that_no_device_can_have(name: str, expected: str, lab: Path) -> None:
    before = sorted(lab.rglob("*"))
    check(nas("device", "import", lab / "board.csv", "--target", name, "--results", lab / "results"), expected, lab)
    assert sorted(lab.rglob("*")) == before
    assert is_table("x.csv")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--out", "pack.tar"], r"'pack.tar' has no name that ends in .zip; call it 'pack.tar.zip'"),
        (["--out", "results"], r"'results' has no name that ends in .zip"),
        (["--out", "folder.zip"], r"folder.zip cannot be read or written: Is a directory"),
        (["--networks", 5], r"'--networks': .*6.*\. See: nas device pack --help"),
        (["mobilnet"], r"space 'mobilnet' is not known; did you mean 'mobilenet'\?"),
        (["--batch", 0], r"latency_batch is 0"),
        (["--known", "my-board"], r"alone, .* two devices; add another"),
        (["--set", "dtype=int8"], r"dtype is 'int8', but a device pack holds float32 networks; leave it out"),
        (["--set", "threads=4"], r"threads is 4, .* leave it out, and give --threads 4 to the pack's run.py"),
        (["--set", "target_args.provider=NPU"], r"names 'provider', .* give --provider to the pack's run.py"),
    ],
    ids=[
        "no zip",
        "a folder",
        "a folder called zip",
        "few networks",
        "space",
        "batch",
        "one known",
        "dtype",
        "threads",
        "provider",
    ],
)
def test_nothing_is_packed(
    arguments: list[Any], expected: str, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab)
    Path("folder.zip").mkdir(exist_ok=True)
    before = sorted(lab.rglob("*"))
    check(nas("device", "pack", "--config", write_config(tmp_path), *arguments), expected, lab)
    assert sorted(lab.rglob("*")) == before


SMALL = """
import torch
import nas

def two(classes):
    width = nas.Choice([4, 8])
    return torch.nn.Sequential(torch.nn.Flatten(), nas.nn.Linear(64, width), nas.nn.Linear(width, classes))

def four(classes):
    first, second = nas.Choice([4, 8], name="first"), nas.Choice([4, 8], name="second")
    layers = [nas.nn.Linear(64, first), nas.nn.Linear(first, second), nas.nn.Linear(second, classes)]
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)
"""


def test_a_space_of_two_architectures_is_too_small_to_learn_from_and_one_of_four_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small_spaces.py").write_text(SMALL)
    monkeypatch.syspath_prepend(tmp_path)
    config = write_config(tmp_path, space_args={}, profile=FAST, constraints=["latency_ms <= 200% of largest"])
    arguments = ["--config", config, "--results", tmp_path / "results", "--name"]
    outcome = nas("profile", "small_spaces:two", *arguments, "two")
    check(outcome, r"space 'small_spaces:two' gave 2 architectures, too few to learn latency from", tmp_path)
    outcome = nas("profile", "small_spaces:four", *arguments, "four")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("small_spaces:four: 4 architectures"), "no word between colons is an emoji"
