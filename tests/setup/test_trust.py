"""What a run's folder reaches counts for the user who named it, in the place where that was."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.setup import RunConfig, RunFolder, resolve
from nas.setup.trust import is_sealed, own_parts, seal

OWN = resolve({"space": "mine:tiny", "space_args": {"width": 4}}, "test")


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key of a user who has none yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/nas/key"


def begun(path: Path, **values: object) -> RunFolder:
    folder = RunFolder(path)
    folder.create(resolve(values, "test"))
    return folder


def test_the_key_is_for_its_user_alone(key: Path) -> None:
    before = os.umask(0)
    try:
        assert seal("there", OWN) == seal("there", OWN)
    finally:
        os.umask(before)
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    assert len(key.read_bytes()) == 32 and [file.name for file in key.parent.iterdir()] == ["key"]


def test_a_seal_is_of_one_place_one_key_and_what_is_reached(key: Path) -> None:
    found = seal("there", OWN)
    assert is_sealed("there", OWN, found)
    assert is_sealed("there", OWN.model_copy(update={"seed": 7, "candidates": 3}), found)
    assert not is_sealed("elsewhere", OWN, found)
    for change in ({"space": "mine:large"}, {"space_args": {"width": 5}}, {"task": "mine:data"}, {"storage": "a://b"}):
        assert not is_sealed("there", OWN.model_copy(update=change), found)
    for wrong in (None, "", 7, "\u00e9", ["x"], (found or "")[:-1]):
        assert not is_sealed("there", OWN, wrong)
    key.unlink()
    assert not is_sealed("there", OWN, found) and not key.exists()
    assert seal("there", OWN) != found


@pytest.mark.whole
def test_processes_that_make_a_key_at_once_have_the_same(key: Path) -> None:
    program = (
        "from nas.setup import resolve; from nas.setup.trust import seal; print(seal('there', resolve({}, 'test')))"
    )
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_a_run_of_ones_own_goes_on_without_a_word(key: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", space="mine:tiny", storage="postgresql://db/nas")
    (tmp_path / "elsewhere").mkdir()
    (folder.path / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert RunFolder(tmp_path / "run").load_config().space == "mine:tiny"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"space": "subprocess:Popen"}, "space 'subprocess:Popen'"),
        ({"data": "os:system"}, "task 'os:system'"),
        ({"storage": "postgresql://somewhere/db"}, "storage 'postgresql://somewhere/db'"),
        ({"ray": {"address": "somewhere:6379"}}, r"ray\.address 'somewhere:6379'"),
    ],
)
def test_a_run_that_was_handed_over_reaches_nothing(
    values: dict[str, object], named: str, key: Path, tmp_path: Path
) -> None:
    begun(tmp_path / "run", **values)
    key.unlink()
    with pytest.raises(UsageError, match=rf"run was not made by you here, and names {named}, .*add --trust"):
        RunFolder(tmp_path / "run").load_config()
    RunFolder(tmp_path / "run").trust()
    RunFolder(tmp_path / "run").load_config()


def test_what_replaces_a_run_of_ones_own_is_not_ones_own(key: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", space="mine:tiny")
    for file in (folder.config, folder.origin):
        file.write_text(file.read_text().replace("mine:tiny", "os:system"))
    with pytest.raises(UsageError, match="space 'os:system'"):
        folder.load_config()
    shutil.rmtree(folder.path)
    folder = begun(tmp_path / "run")
    shutil.copytree(folder.path, tmp_path / "copy")
    (tmp_path / "copy/log.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(UsageError, match=r"a link out of it \('.*log\.jsonl'\)"):
        RunFolder(tmp_path / "copy").load_config()
    folder.origin.unlink()
    folder.create(folder.read_config())
    assert not folder.is_own(folder.read_config()), "to go on with a folder proves nothing"


@pytest.mark.parametrize("is_link", [False, True], ids=["folder", "link"])
def test_where_a_run_gives_way_no_state_of_trainings_is_left(is_link: bool, key: Path, tmp_path: Path) -> None:
    planted = begun(tmp_path / "run", seed=1).retraining
    state = tmp_path / "elsewhere/trials/experiment_state.json" if is_link else planted / "trials/experiment_state.json"
    state.parent.mkdir(parents=True)
    state.touch()
    if is_link:
        planted.symlink_to(tmp_path / "elsewhere")
    folder = begun(tmp_path / "run", seed=2)
    assert folder.is_own(folder.read_config()) and not folder.retraining.exists()
    assert state.exists() == is_link


def test_a_run_of_shipped_parts_needs_no_trust(key: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", space="chain", ray={"address": "auto"})
    (folder.path / "link").symlink_to(folder.config)
    key.unlink()
    assert folder.load_config().space == "chain"


def test_without_a_place_for_the_key_a_run_begins_and_says_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    begun(tmp_path / "plain")
    assert not caplog.records
    folder = begun(tmp_path / "run", space="mine:tiny")
    assert "will take --trust later; XDG_STATE_HOME may name another folder" in caplog.text
    assert json.loads(folder.origin.read_text())["seal"] is None
    with pytest.raises(UsageError, match="not made by you here"):
        folder.load_config()
    with pytest.raises(UsageError, match="let XDG_STATE_HOME name a folder that can be written"):
        folder.trust()


def test_a_method_of_regions_that_learn_gates_is_code_of_a_user_only_if_what_it_names_is() -> None:
    assert "method" not in own_parts(RunConfig(method="few-shot:darts"))
    assert own_parts(RunConfig(method="few-shot:mine:METHOD"))["method"] == "mine:METHOD"
    assert own_parts(RunConfig(method="mine:METHOD"))["method"] == "mine:METHOD"
