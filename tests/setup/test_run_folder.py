"""The folder of a run: whose it is, one process at a time, damage, leftovers."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from nas.errors import UsageError
from nas.files import append_line, whole_file, write_file
from nas.setup import RunConfig, RunFolder, free_name, resolve

CONFIG = resolve({}, "test")


def test_a_run_keeps_its_configuration_and_origin(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    assert folder.load_config() == CONFIG
    origin = folder.read(folder.origin)
    assert (origin["seed"], origin["seconds"]) == (0, {})
    assert {"python", "torch", "nas"} <= origin["versions"].keys()
    folder.create(CONFIG)
    assert folder.read(folder.origin) == origin


def test_a_killed_stage_has_counted_most_of_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("nas.setup.origin.time.perf_counter", lambda: now[0])
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    with pytest.raises(KeyboardInterrupt), folder.stage("search"):
        for _ in range(4):
            now[0] += 4
            folder.started.keep_seconds()
        raise KeyboardInterrupt
    again = RunFolder(tmp_path / "run")
    assert again.started.read("seconds")["seconds"] == {"search": 16}
    with again.stage("search"):
        now[0] += 3
    again.started.keep_seconds()
    assert again.started.read("seconds")["seconds"] == {"search": 19}


def test_another_configuration_is_refused_with_the_key_that_differs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    write_file(folder.supernet, "trained")
    with pytest.raises(UsageError, match=r"retraining\.epochs=\d+, but 3 is asked for"):
        folder.create(resolve({"retraining": {"epochs": 3}}, "test"))
    with pytest.raises(UsageError, match=r"space_args\.width=None, but 3 is asked for"):
        folder.create(resolve({"space_args": {"width": 3}}, "test"))


def test_a_creation_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    write_file(folder.path / ".config.yaml.77.tmp", "half")
    folder.create(CONFIG)
    folder.origin.unlink()
    folder.create(CONFIG)
    assert folder.read(folder.origin)["seconds"] == {}
    folder.config.unlink()
    folder.create(CONFIG, "profile")
    assert (folder.kind, folder.load_config()) == ("profile", CONFIG)


def test_a_folder_knows_whether_it_is_a_search_or_a_profile(tmp_path: Path) -> None:
    search, profile = RunFolder(tmp_path / "search"), RunFolder(tmp_path / "profile")
    search.create(CONFIG)
    profile.create(CONFIG, "profile")
    for run in (search, profile):
        write_file(run.supernet if run is search else run.measurements, "work")
    assert (search.kind, profile.kind) == ("search", "profile")
    with pytest.raises(UsageError, match="profile holds a profile, and a search is asked for; choose another --name"):
        profile.create(CONFIG)
    with pytest.raises(UsageError, match="search holds a search, and a profile is asked for"):
        search.create(CONFIG, "profile")
    origin = search.read(search.origin)
    del origin["kind"]
    write_file(search.origin, json.dumps(origin))
    assert search.kind == "search", "runs from before profiles told it"
    write_file(search.origin, json.dumps({**origin, "kind": "walk"}))
    with pytest.raises(UsageError, match=r"run\.json is damaged \(its kind is 'walk'\)"):
        _ = search.kind


def test_of_two_that_begin_at_once_one_gets_the_folder_and_its_own_configuration(tmp_path: Path) -> None:
    """Twelve of 49 pairs held the lock over the other's configuration, or ran into its files."""
    configs = [resolve({"seed": seed}, "test") for seed in (0, 1)]
    begun, refused_one = threading.Barrier(2), threading.Event()

    def begin(folder: RunFolder, config: RunConfig) -> int | str:
        begun.wait()
        try:
            folder.create(config)
            with folder.lock():
                seed = folder.load_config().seed
                assert seed == config.seed
                assert refused_one.wait(60), "who has ended before the other begins gives way, having found nothing"
                return seed
        except UsageError as error:
            refused_one.set()
            return str(error)

    for number in range(20):
        path = tmp_path / str(number)
        refused_one.clear()
        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(begin, [RunFolder(path), RunFolder(path)], configs))
        (refused,) = (each for each in told if isinstance(each, str))
        assert "holds a run with seed=" in refused or "in use by another process" in refused
        (holder,) = (each for each in told if isinstance(each, int))
        assert RunFolder(path).load_config().seed == holder
        assert {file.name for file in path.iterdir()} <= {".lock", "config.yaml", "run.json"}


def test_who_begins_while_another_works_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    folder, other = RunFolder(tmp_path / "run"), resolve({"seed": 1}, "test")
    with folder.begin(CONFIG):
        before = folder.config.read_bytes(), folder.origin.read_bytes()
        with pytest.raises(UsageError, match="run 'run' is in use by another process"):
            RunFolder(folder.path).create(other)
        assert (folder.config.read_bytes(), folder.origin.read_bytes()) == before


def test_a_failed_search_gives_its_name_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), folder.begin(CONFIG), folder.stage("profile"):
        append_line(folder.measurements, "{}")
        write_file(folder.predictor / "summary.json", "{}")
        write_file(folder.path / "notes.txt", "mine")
        _ = 1 / 0
    other = resolve({"seed": 1}, "test")
    folder.create(other)
    assert folder.load_config() == other and folder.read(folder.origin)["seed"] == 1
    assert {path.name for path in folder.path.iterdir()} == {".lock", "config.yaml", "run.json", "notes.txt"}


@pytest.mark.parametrize("file", ["best", "supernet"])
def test_what_a_search_found_is_kept_from_another(file: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    write_file(getattr(folder, file), "work")
    with pytest.raises(UsageError, match=r"seed=0, but 1 is asked for; choose another --name, or .*: nas resume run"):
        folder.create(resolve({"seed": 1}, "test"))
    folder.create(CONFIG)
    assert getattr(folder, file).read_text() == "work"


def test_measurements_of_a_profile_are_kept_from_another(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "devices/board")
    folder.create(CONFIG, "profile")
    append_line(folder.measurements, "{}")
    with pytest.raises(
        UsageError, match=r"choose another --target, or continue it as it was with: nas resume devices/b"
    ):
        folder.create(resolve({"seed": 1}, "test"), "profile")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"method": "spos"}, r"config\.yaml says method='spos' now, but the run was started with 'bignas'"),
        (
            {"task": "npz"},
            r"says task='npz' now, but the run was started with 'noisy_digits', .*; put that back, or start",
        ),
        ({"limit": 50}, r"says limit=50 now, but the run was started with None"),
        ({"sharing_args": {"models": 2}}, r"says sharing_args\.models=2 now"),
        ({"training": {"epochs": 1}}, r"says training\.[a-z_]+="),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_edited_by_hand_is_refused(change: dict[str, Any], expected: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    folder.config.write_text(yaml.safe_dump({**yaml.safe_load(folder.config.read_text()), **change}))
    with pytest.raises(UsageError, match=expected):
        folder.load_config()


def test_where_a_run_works_may_be_edited(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    place = {"workers": 3, "ray": {"gpus_per_worker": 0.5}}
    folder.config.write_text(yaml.safe_dump({**yaml.safe_load(folder.config.read_text()), **place}))
    config = folder.load_config()
    assert (config.workers, config.ray.gpus_per_worker) == (3, 0.5)
    folder.create(config)


@pytest.mark.parametrize("content", [b"\xff\x00", b"- 1\n", b"space: [\n", b"spaces: mobilenet\n", b""])
def test_a_damaged_configuration_is_named_and_made_again(content: bytes, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    write_file(folder.supernet, "trained")
    whole = folder.config.read_bytes()
    folder.config.write_bytes(content)
    with pytest.raises(UsageError, match=r"run/config\.yaml.*; delete that file, and the run makes it again\.$"):
        folder.load_config()
    folder.config.unlink()
    folder.create(folder.load_config())
    assert folder.config.read_bytes() == whole and folder.supernet.exists()


def test_an_origin_that_was_lost_is_made_again_by_the_same_command(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG, "profile")
    write_file(folder.measurements, "work")
    write_file(folder.origin, "[]")
    with pytest.raises(UsageError, match=r"run\.json is damaged .*; delete it and give the command of the run again"):
        folder.create(CONFIG, "profile")
    folder.origin.unlink()
    folder.create(CONFIG, "profile")
    assert folder.kind == "profile" and folder.measurements.exists()


def test_the_lock_keeps_others_out_and_clears_what_was_left(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    left = write_file(folder.path / "checkpoints/.supernet.safetensors.77.tmp", "half")
    kept = write_file(folder.path / "checkpoints/notes.tmp", "mine")
    with folder.lock():
        assert not left.exists() and kept.exists()
        with pytest.raises(UsageError, match="run 'run' is in use by another process"), folder.lock():
            pass
    with folder.lock():
        pass


def test_stages_add_up_their_seconds_and_are_logged(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    for _ in range(2):
        with folder.stage("train"):
            folder.log("train", epoch=0)
    with pytest.raises(ZeroDivisionError), folder.stage("search"):
        _ = 1 / 0
    assert folder.read(folder.origin)["seconds"].keys() == {"train"}
    log = [json.loads(line) for line in folder.log_file.read_text().splitlines()]
    events = [(entry["stage"], entry.get("event")) for entry in log]
    assert events == [("train", "begin"), ("train", None), ("train", "end")] * 2 + [("search", "begin")]


@pytest.mark.parametrize("content", ["{", "", "\xff"])
def test_damage_is_named(content: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    folder.origin.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"run\.json is damaged"):
        folder.read(folder.origin)


def test_json_that_is_no_object_is_damage_too(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for content in ("[1, 2]", "3", '"text"'):
        write_file(folder.best, content)
        with pytest.raises(UsageError, match=r"best\.json is damaged"):
            folder.read(folder.best)


def test_a_table_is_written_twice(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "accuracy": [0.1, 1 / 3]})
    RunFolder(tmp_path / "run").write_table("candidates", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "run/candidates.csv"), table, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "run/candidates.parquet"), table, check_dtype=False)


def test_free_names(tmp_path: Path) -> None:
    assert free_name(tmp_path / "no", "run") == "run"
    for expected in ("run", "run-2", "run-3"):
        assert free_name(tmp_path, "run") == expected
        (tmp_path / expected).mkdir()


def test_files_are_named_when_they_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for write in (write_file, append_line):
        with pytest.raises(OSError, match="taken") as caught:
            write(tmp_path / "taken", "text")
        assert caught.value.filename == str(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_file_filled_piece_by_piece_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_file(tmp_path / "pack", "old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half")
        _ = 1 / 0
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with whole_file(path) as file:
        file.write(b"new, ")
        assert path.read_text() == "old"
        file.write(b"whole")
    assert path.read_text() == "new, whole" and list(tmp_path.iterdir()) == [path]


def test_another_file_that_fails_while_one_is_filled_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"), whole_file(tmp_path / "pack") as file:
        file.write((tmp_path / "missing").read_bytes())


def test_lines_are_appended_whole(tmp_path: Path) -> None:
    for line in ("one", "two"):
        append_line(tmp_path / "new/log", line)
    assert (tmp_path / "new/log").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("torn", ["{", '{"time": "2026-11-29T10:00:00", "stage": "tra', "\xff"])
def test_a_torn_last_line_is_cut_off_when_a_file_goes_on(torn: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.log("train", epoch=0)
    with folder.log_file.open("ab") as file:
        file.write(torn.encode("latin-1"))
    folder.log("train", epoch=1)
    assert [json.loads(line)["epoch"] for line in folder.log_file.read_text().splitlines()] == [0, 1]
    folder.log_file.write_bytes(torn.encode("latin-1"))
    folder.log("train", epoch=2)
    assert json.loads(folder.log_file.read_text())["epoch"] == 2


def test_a_result_without_its_parts_is_damaged(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(CONFIG)
    write_file(folder.best, "{}")
    with pytest.raises(UsageError, match=r"best\.json is damaged \(it has no 'metric'\); delete it and resume the run"):
        _ = folder.result
