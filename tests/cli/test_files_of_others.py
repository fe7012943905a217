"""What somebody hands over is data: a table, a run, a folder with modules in it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import nas, search_arguments
from latency_tables import board_rows, write_board

from nas.setup import RunFolder, resolve

SPACE = """
import statistics
from pathlib import Path
from search_spaces.chain import chain

assert hasattr(statistics, "fmean"), statistics

def tiny(input_shape, classes):
    Path(__file__).with_name("called").touch()
    return chain(input_shape, classes, layers=[1, 1, 1], width=4, head=16)
"""
LIKE_PYTHONS = ("statistics", "json", "typing", "random", "yaml", "pynvml")
COMMAND = """
import sys
from nas.cli import main
try:
    main()
finally:
    print("found in the current folder:", "" in sys.path, file=sys.stderr)
"""
OWN = "own_tiny_space:tiny"
SETUP = {"config": {"space": OWN, "data": "digits"}, "input_shape": [1, 8, 8], "fingerprint": "x"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a space of the user's own, and modules that are called like installed ones."""
    (tmp_path / "own_tiny_space.py").write_text(SPACE)
    for name in LIKE_PYTHONS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the current folder was run')")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_tiny_space", None)


@pytest.fixture
def become_another(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the user another one, who has imported nothing yet."""

    def become() -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(here / "state-of-another"))
        sys.modules.pop("own_tiny_space", None)
        (here / "called").unlink(missing_ok=True)

    return become


def in_a_process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """As the installed command runs, with no folder of the user in front of Python's modules."""
    command = [sys.executable, "-P", "-c", COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_table_runs_nothing_that_it_names(tmp_path: Path) -> None:
    arguments = {"args": f"touch {tmp_path / 'proof'}", "shell": True}
    setup = {**SETUP, "config": {"space": "subprocess:Popen", "space_args": arguments, "data": "digits"}}
    table = write_board(tmp_path / "measurements.csv", board_rows(setup))
    outcome = nas("device", "import", table, "--target", "board", "--results", tmp_path / "results")
    assert outcome.code == 2
    assert "names space 'subprocess:Popen', which this would import and call" in outcome.complaint
    assert not (tmp_path / "proof").exists() and not (tmp_path / "results").exists()


@pytest.mark.parametrize("key", ["storage", "target", "ray", "target_args", "__class__"])
def test_a_table_sets_nothing_but_what_a_pack_carries(key: str, tmp_path: Path) -> None:
    setup = {**SETUP, "config": {"space": "chain", key: "sqlite:////tmp/x"}}
    table = write_board(tmp_path / "measurements.csv", board_rows(setup))
    outcome = nas("device", "import", table, "--target", "board", "--results", tmp_path / "results")
    assert outcome.code == 2 and f"column 'setup' names '{key}', which no device pack carries" in outcome.complaint


def test_a_table_of_ones_own_space_is_imported_where_it_was_packed_typed_or_trusted(
    here: Path, become_another: Callable[[], None]
) -> None:
    results = ["--results", here / "results", "--json"]
    pack = nas("device", "pack", OWN, "--networks", 6, "--out", here / "pack.zip", *results)
    assert pack.code == 0, pack.err
    shutil.unpack_archive(here / "pack.zip", here)
    (setup,) = (json.loads(file.read_text())["setup"] for file in (here / "pack").glob("*.json"))
    table = write_board(here / "measurements.csv", board_rows(setup))
    command = ["device", "import", table, *results]
    assert nas(*command, "--target", "own").code == 0
    become_another()
    refused = nas(*command, "--target", "second")
    assert refused.code == 2 and "by --set space=…; or give --trust" in refused.complaint
    assert not (here / "called").exists() and not (here / "results/devices/second").exists()
    assert nas(*command, "--target", "second", "--set", f"space={OWN}").code == 0
    assert nas(*command, "--target", "third", "--trust").code == 0


def test_a_run_of_ones_own_space_is_resumed_exported_and_judged_without_a_word(
    here: Path, become_another: Callable[[], None]
) -> None:
    done = nas(*search_arguments(here, OWN, "--name", "run", space_args={}))
    assert done.code == 0, done.err
    (here / "results/run/report.html").unlink()
    run = ["run", "--results", here / "results"]
    assert nas("resume", *run).code == 0
    assert nas("export", *run).code == 0
    become_another()
    commands = {
        "resume": ["resume", *run],
        "export": ["export", *run],
        "retrain": ["retrain", *run],
        "rank": ["rank", *run, "--truth", here / "none.csv", "--column", "x"],
    }
    for command in commands.values():
        refused = nas(*command)
        assert refused.code == 2 and f"names space '{OWN}', which this would import" in refused.complaint
    assert not (here / "called").exists()
    assert nas(*commands["export"], "--trust").code == 0
    assert nas(*commands["resume"]).code == 0, "what was trusted once is"


def test_pickles_of_others_are_not_read(finished: tuple[Path, object], tmp_path: Path) -> None:
    results = Path(shutil.copytree(finished[0], tmp_path / "results"))
    state = results / "tiny/retrain/trials/experiment_state-2026.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    refused = nas("retrain", "tiny", "--results", results)
    assert refused.code == 2 and "a state of Ray Tune, which can run anything when it is read" in refused.complaint


def test_files_of_the_current_folder_take_no_module_s_place(here: Path) -> None:
    listed = in_a_process("list", "spaces")
    assert (listed.returncode, listed.stderr) == (0, "found in the current folder: False\n")
    settings = [word for each in ("networks=4", "held_out=3", "seconds=0.1") for word in ("--set", f"profile.{each}")]
    profiled = in_a_process("profile", OWN, "--results", here / "results", "--json", *settings)
    assert profiled.returncode == 0 and "found in the current folder: True\n" in profiled.stderr


def test_a_module_that_is_called_like_an_installed_one_is_told_apart() -> None:
    wrong = nas("profile", "statistics:tiny")
    assert wrong.code == 2 and "rename a file of yours that is called like an installed module" in wrong.complaint


@pytest.mark.parametrize(
    "url", ["postgresql://me:se/cret@db/nas", "postgresql://db/nas?password=se/cret", "mysql://me:a@se/cret@db/nas"]
)
def test_a_password_of_a_database_is_nowhere(url: str, tmp_path: Path) -> None:
    for words in (["--storage", url], ["--set", f"storage={url}"], ["--set", f"storage=[{url}]"]):
        outcome = nas(*search_arguments(tmp_path, "--name", "run", *words))
        assert outcome.code == 2 and "storage" in outcome.complaint
        assert "cret" not in outcome.err + outcome.out
    assert not (tmp_path / "results").exists()


def test_a_password_that_was_typed_and_taken_back_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["nas", "search", "--storage", "postgresql://me:se/cret@db/nas", "--set", "storage="]
    monkeypatch.setattr(sys, "argv", typed)
    folder = RunFolder(tmp_path / "run")
    folder.create(resolve({}, "test"))
    assert json.loads(folder.origin.read_text())["command"][3] == "postgresql://***@db/nas"
