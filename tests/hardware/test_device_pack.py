"""A pack is written here, unzipped, run by its own script without PyTorch, killed and resumed."""

import ast
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from nas.errors import UsageError
from nas.hardware import board_run, timing
from nas.hardware.board_csv import read_measurements
from nas.hardware.pack import write_pack
from nas.space import Space

SPACE = Space({"depth": [1, 2], "width": [8, 16, 32]})
SETUP = {"space": "tiny", "space_args": {"classes": 3}, "fingerprint": SPACE.fingerprint, "note": 'a "quoted", ü'}
INPUT_SHAPE = (3, 32, 32)
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "nas", "search_spaces", "onnx", "scipy", "pandas"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
"""


def network(depth: int, width: int) -> nn.Module:
    torch.manual_seed(depth * width)
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3)]
    layers += [nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3)) for _ in range(depth)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (30 - 2 * depth) ** 2, 3))


def networks() -> dict[str, nn.Module]:
    return {architecture.key: network(architecture["depth"], architecture["width"]) for architecture in SPACE}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = networks()
    reference = made[SPACE.largest().key]
    return write_pack(tmp_path_factory.mktemp("packs") / "tiny.zip", made, reference, INPUT_SHAPE, SETUP, batch=2)


@pytest.fixture
def unzipped(pack: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "tiny"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A process in which neither PyTorch nor this package can be imported."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(BLOCKED)
    environment = os.environ | {"PYTHONPATH": str(blocked)}
    for module in ("torch", "nas"):
        done = subprocess.run([sys.executable, "-c", f"import {module}"], env=environment, check=False, stderr=-1)
        assert b"is blocked" in done.stderr
    return environment


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(unzipped: Path, environment: dict[str, str]) -> Run:
    def start(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "run.py", "--seconds", "0.05", *options]
        return subprocess.run(
            command, cwd=unzipped, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return start


def kill_after(rows: int, command: list[str], folder: Path, environment: dict[str, str] | None = None) -> int:
    """Starts the script in the folder, kills it once the table has so many rows; gives the rows that were there."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    table = folder / "measurements.csv"
    while process.poll() is None and not (table.exists() and table.read_bytes().count(b"\n") > rows):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    return len(table.read_bytes().splitlines()) - 1


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def require_complete(table: Path) -> None:
    counts = Counter((row["architecture"], row["repeat"]) for row in rows_of(table))
    assert {architecture for architecture, _ in counts} == {architecture.key for architecture in SPACE}
    assert Counter(repeat for _, repeat in counts) == {"0": 6, "1": 3}
    assert set(counts.values()) == {1}


def test_the_zip_holds_one_folder_named_after_it(pack: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("tiny/manifest.json"))
        readme = archive.read("tiny/README.txt").decode()
    models = [f"tiny/networks/{number:04d}.onnx" for number in range(6)]
    expected = ["tiny/networks/reference.onnx", *models, "tiny/manifest.json", "tiny/run.py", "tiny/README.txt"]
    assert names == expected
    assert manifest["setup"] == SETUP
    assert [each["architecture"] for each in manifest["networks"]] == [architecture.key for architecture in SPACE]
    assert sum(each["twice"] for each in manifest["networks"]) == 3
    assert len(readme.splitlines()) == 3


def test_networks_are_written_with_a_fixed_batch(unzipped: Path) -> None:
    for file in sorted((unzipped / "networks").glob("*.onnx")):
        shape = onnx.load(file).graph.input[0].type.tensor_type.shape
        assert [each.dim_value for each in shape.dim] == [2, *INPUT_SHAPE]


def test_equal_arguments_give_equal_bytes_and_others_another_pack(pack: Path, tmp_path: Path) -> None:
    made, told = networks(), []
    reference = made[SPACE.largest().key]

    def write(folder: str, **changes: object) -> Path:
        arguments = {"setup": SETUP, "batch": 2} | changes
        return write_pack(
            tmp_path / folder / "tiny.zip", made, reference, INPUT_SHAPE, progress=told.append, **arguments
        )  # type: ignore[arg-type]

    again, other = write("again"), write("other", setup=SETUP | {"note": "none"})
    assert again.read_bytes() == pack.read_bytes()
    assert told[:6] == [1, 2, 3, 4, 5, 6]
    with zipfile.ZipFile(pack) as first, zipfile.ZipFile(other) as second:
        first_id, second_id = (json.loads(each.read("tiny/manifest.json"))["pack"] for each in (first, second))
    assert first_id != second_id
    assert [each.name for each in again.parent.iterdir()] == ["tiny.zip"]


class Stubborn(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("it does not run")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"path": "pack"}, r"ends in \.zip; call it 'pack\.zip'"),
        ({"networks": {}}, "has no networks"),
        ({"networks": {"wide": nn.ReLU()}}, "'wide' is not JSON"),
        ({"networks": {'{"a":1}': Stubborn()}}, "it does not run"),
        ({"batch": 0}, "batch of device pack .* is 0"),
        ({"setup": {"space": Space}}, "no plain JSON"),
        ({"setup": {"value": float("nan")}}, "no plain JSON"),
        ({"setup": {"space": "x" * 200_000}}, "200013 characters"),
        ({"input_shape": (3, 0)}, "input_shape is"),
    ],
)
def test_wrong_arguments_get_a_sentence_and_leave_no_file(
    changes: dict[str, object], match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments: dict[str, object] = {
        "path": "a.zip",
        "networks": {'{"a":1}': nn.ReLU()},
        "reference": nn.ReLU(),
        "input_shape": (3, 8),
        "setup": {},
    }
    with pytest.raises(UsageError, match=match):
        write_pack(**(arguments | changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_script_is_python_3_8_and_needs_the_standard_library_alone(unzipped: Path) -> None:
    tree = ast.parse((unzipped / "run.py").read_text(encoding="utf-8"), feature_version=(3, 8))
    imports = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imports |= {str(node.module).split(".")[0] for node in froms}
    assert imports - sys.stdlib_module_names == {"numpy", "onnxruntime"}
    assert any(alias.name == "annotations" for node in froms if node.module == "__future__" for alias in node.names)
    newer = {"removeprefix", "removesuffix", "bit_count", "pairwise", "batched", "is_relative_to", "with_stem"}
    assert not newer & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "strict"]


@pytest.mark.whole
def test_a_killed_run_is_resumed_without_torch_until_all_is_measured_once(
    unzipped: Path, environment: dict[str, str], run: Run
) -> None:
    table = unzipped / "measurements.csv"
    there = kill_after(2, [sys.executable, "run.py", "--seconds", "0.2"], unzipped, environment)
    assert 2 <= there < 9
    before = [line for line in table.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    with table.open("ab") as file:
        file.write(b'"{""depth"":1,')  # a row that was cut off
    done = run()
    assert done.returncode == 0, done.stderr
    assert f"{len(before) - 1} of 9 measurements are in" in done.stderr
    assert "9 of 9: networks/" in done.stderr and " ms; 0 s left." in done.stderr
    assert table.read_bytes().splitlines(keepends=True)[: len(before)] == before
    require_complete(table)
    content = table.read_bytes()
    again = run()
    assert (again.returncode, table.read_bytes()) == (0, content)
    assert "9 of 9 measurements are in" in again.stderr

    found = read_measurements(table, SPACE, target="my-board")
    assert found.architectures == list(SPACE)
    assert found.setup == SETUP
    assert found.noise_floor is not None and found.noise_floor >= 0
    for each in found.measurements:
        assert each.latency_ms > 0 and each.repeats >= 18
        assert (each.threads, each.batch, each.dtype, each.target) == (1, 2, "float32", "my-board")
        assert {"onnxruntime", "provider", "torch"} == each.versions.keys()


@pytest.mark.whole
@pytest.mark.parametrize("content", [b"", b"architecture,late"])
def test_a_header_cut_off_is_written_again(content: bytes, unzipped: Path, run: Run) -> None:
    (unzipped / "measurements.csv").write_bytes(content)
    assert run("--seconds", "0.01").returncode == 0
    require_complete(unzipped / "measurements.csv")


@pytest.mark.whole
def test_a_network_that_the_board_cannot_run_is_named_and_the_others_are_measured(unzipped: Path, run: Run) -> None:
    model = onnx.load(unzipped / "networks/0001.onnx")
    model.graph.node[0].op_type, model.graph.node[0].domain = "Missing", "com.nowhere"
    model.opset_import.append(onnx.helper.make_opsetid("com.nowhere", 1))
    whole = (unzipped / "networks/0001.onnx").read_bytes()
    (unzipped / "networks/0001.onnx").write_bytes(model.SerializeToString())
    done = run("--seconds", "0.01")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "0001.onnx" in line]
    assert [line.split(":")[0] for line in lines] == ["networks/0001.onnx failed and is left out", "Failed"]
    assert "Traceback" not in done.stderr
    rows = rows_of(unzipped / "measurements.csv")
    assert len({row["architecture"] for row in rows}) == 5
    (unzipped / "networks/0001.onnx").write_bytes(whole)
    assert run("--seconds", "0.01").returncode == 0
    require_complete(unzipped / "measurements.csv")


def _other_pack(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"pack": "0123456789ab"}))


def _other_versions(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"versions": {"torch": "1.0"}}))


def _foreign_table(folder: Path) -> None:
    (folder / "measurements.csv").write_text("name,price\npear,3\n")


def _foreign_line(folder: Path) -> None:
    (folder / "measurements.csv").write_text("one line without its end")


def _foreign_bytes(folder: Path) -> None:
    (folder / "measurements.csv").write_bytes(b"\xff\xfe\n\x00")


def _no_reference(folder: Path) -> None:
    (folder / "networks/reference.onnx").write_bytes(b"nothing")
    (folder / "measurements.csv").unlink()


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        (_nothing, ["--threads", "2"], "row 2 has threads 1, but this run has 2"),
        (_other_pack, [], "row 2 has pack"),
        (_other_versions, [], "row 2 has versions"),
        (_foreign_table, [], "not a table that this script wrote"),
        (_foreign_line, [], "not a table that this script wrote"),
        (_foreign_bytes, [], "not a table that this script wrote"),
        (_no_reference, [], "reference.onnx, to which all others are compared, does not run"),
        (_no_manifest, [], "unpack the whole pack again"),
        (_nothing, ["--provider", "Abacus"], "provider Abacus is not installed here; there are"),
        (_nothing, ["--threads", "0"], "0 is no whole number from 1"),
        (_nothing, ["--seconds", "nan"], "nan is no positive number"),
        (_nothing, ["--out", "no/such/folder.csv"], "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence_and_changes_nothing(
    change: Callable[[Path], None],
    options: list[str],
    match: str,
    unzipped: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = unzipped / "measurements.csv"
    monkeypatch.setattr(board_run, "__file__", str(unzipped / "run.py"))
    monkeypatch.chdir(unzipped)
    manifest = json.loads((unzipped / "manifest.json").read_text())
    cells = board_run._settings(manifest, board_run.Runtime(manifest, 1, "cpu"), 1)
    timing_cells = {"latency_ms": 1, "spread_ms": 0, "repeats": 20, "reference_ms": 2, "repeat": 0}
    board_run.append_row(table, {"architecture": manifest["networks"][0]["architecture"], **timing_cells, **cells})
    change(unzipped)
    before = table.read_bytes() if table.exists() else None
    try:
        code = board_run.main(["--seconds", "0.01", *options])
    except SystemExit as stop:
        code = int(str(stop.code))
    assert code == 2
    assert match in capsys.readouterr().err.splitlines()[-1]
    assert (table.read_bytes() if table.exists() else None) == before


def test_the_median_is_as_sure_as_that_of_this_machine() -> None:
    draws = random.Random(0)
    for count in (1, 2, 3, 6, 9, 30, 101):
        values = [draws.uniform(1, 2) for _ in range(count)]
        assert board_run.median_width(values) == timing._median_width(values)


class Board:
    """A simulated clock: calls take their cost times the board's present slowness."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def call(self, milliseconds: float, jitter: float = 0.0) -> Callable[[], None]:
        draws = random.Random(1)

        def run() -> None:
            slowness = 1 + self.now_ns / 1e9
            self.now_ns += round(milliseconds * 1e6 * slowness * (1 + jitter * draws.random()))

        return run


def test_drift_is_divided_out_by_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    monkeypatch.setattr(board_run, "perf_counter_ns", board)
    for cost in (0.2, 1.0, 4.0):
        found = board_run.compare(board.call(cost), board.call(1.0), seconds=1.0)
        assert found.latency_ms / found.reference_ms == pytest.approx(cost, rel=0.02)
        assert found.repeats >= 18
        assert found.spread_ms < 0.05 * found.latency_ms
    assert board.now_ns / 1e9 > 0.3  # by then it is 1.3 times slower


def test_an_unsteady_network_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    monkeypatch.setattr(board_run, "perf_counter_ns", board)
    found = board_run.compare(board.call(1.0, jitter=3.0), board.call(1.0), seconds=0.5)
    assert 0.5 <= board.now_ns / 1e9 < 0.6
    assert found.spread_ms > 0


@pytest.mark.slow
def test_a_pack_runs_where_only_numpy_and_onnxruntime_are_installed(unzipped: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = subprocess.run([python, "-m", "pip", "install", "-q", "numpy", "onnxruntime"], check=False)
    if install.returncode != 0:
        pytest.skip("the package index cannot be reached")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for module in ("torch", "nas"):
        assert subprocess.run([python, "-c", f"import {module}"], env=environment, check=False, stderr=-1).returncode
    command = [str(python), "run.py", "--seconds", "0.2"]
    assert kill_after(3, command, unzipped, environment) < 9
    done = subprocess.run(command, cwd=unzipped, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    require_complete(unzipped / "measurements.csv")
    assert len(read_measurements(unzipped / "measurements.csv", SPACE).measurements) == 6
