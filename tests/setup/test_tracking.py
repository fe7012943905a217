"""What trackers are told: the figures of a run, each once, by the real packages where they are installed."""

import json
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UsageError
from nas.runs import search_without_model
from nas.setup import RunFolder, resolve
from nas.setup.trackers import TrackerName
from nas.setup.trust import reached

OWN = """
calls, broken_at = 0, None

def score(architecture):
    global calls
    calls += 1
    if calls == broken_at:
        raise KeyboardInterrupt
    return architecture["a"] * architecture["b"]
"""
EVERY = range(1, 19)
"""Candidates, of which each is an event."""
Series = dict[str, list[tuple[int, float]]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a space and a function, in which every candidate is logged; trackers write nowhere else."""
    (tmp_path / "space.yaml").write_text("choices: {a: [0, 1, 2, 3, 4, 5], b: [1, 2, 3]}\n")
    (tmp_path / "own_score.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("nas.setup.events._SECONDS", 0.0)
    places = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "TRACKIO_DIR": str(tmp_path / "trackio")}
    for name, value in {**places, "WANDB_MODE": "offline", "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    yield tmp_path
    sys.modules.pop("own_score", None)


@dataclass
class Saying:
    """Remembers what was said."""

    said: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Any]:
        yield self

    def update(self, completed: int, note: str = "") -> None: ...

    def end(self, reason: str) -> None: ...


def searched(*trackers: str, stop_at: int | None = None) -> list[str]:
    """Searches all 18 architectures as the run ``chip``, or goes on with it; gives what it said."""
    values = {"space": "space.yaml", "evaluator": "own_score:score", "candidates": len(EVERY), "track": list(trackers)}
    progress, module = Saying(), __import__("own_score")
    module.calls, module.broken_at = 0, stop_at
    search_without_model(resolve(values, "test"), RunFolder(Path("results/chip")), progress)
    return progress.said


def interrupted(*trackers: str, at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        searched(*trackers, stop_at=at)


@dataclass
class Fake:
    """A tracker that keeps what it is told, and fails where it is asked to."""

    run: str = "mine"
    told: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    opened: list[str | None] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    fails_at: int | None = None

    def open(self, name: str, folder: Path, settings: Mapping[str, Any], run: str | None = None) -> "Fake":
        self.opened.append(run)
        print("a word of the package")
        return self

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        if step == self.fails_at:
            raise ConnectionError("the server is away\nand more")
        self.told.append((stage, step, dict(values)))

    def close(self, finished: bool) -> None:
        self.closed.append(finished)

    @property
    def steps(self) -> list[tuple[str, int]]:
        return [(stage, step) for stage, step, _ in self.told]


WHOLE = [*(("search", step) for step in EVERY), ("best", 0)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr("nas.setup.tracking.open_tracker", found.open)
    monkeypatch.setattr("nas.runs.without_model.check_trackers", lambda names: None)
    return found


def test_candidates_and_the_result_are_told(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    searched("wandb")
    assert fake.steps == WHOLE and fake.opened == [None] and fake.closed == [True]
    best = [values["best_score"] for stage, _, values in fake.told if stage == "search"]
    assert best == sorted(best) and fake.told[-1] == ("best", 0, {"score": 15.0})
    told = capsys.readouterr()
    assert told.out == "" and "a word of the package" in told.err, "standard output is for results"


def test_a_resumed_run_is_told_nothing_twice(fake: Fake) -> None:
    interrupted("wandb", at=7)
    assert fake.steps == WHOLE[:6] and fake.closed == [False]
    searched("wandb")
    assert fake.steps == WHOLE and fake.opened == [None, "mine"] and fake.closed == [False, True]
    searched("wandb")
    assert fake.steps == WHOLE and fake.opened == [None, "mine"], "a complete run that is told opens nothing"


def test_a_run_that_had_no_tracker_is_told_whole_afterwards(fake: Fake) -> None:
    searched()
    assert not RunFolder(Path("results/chip")).tracked.exists()
    searched("mlflow")
    assert fake.steps == WHOLE
    searched("mlflow", "wandb")
    assert fake.steps == WHOLE * 2 and fake.opened == [None, None]


def test_a_tracker_that_fails_is_reported_once_and_told_the_rest_where_the_run_goes_on(fake: Fake) -> None:
    fake.fails_at = 5
    (said,) = [sentence for sentence in searched("wandb") if "wandb" in sentence]
    assert said.startswith("wandb cannot be told any more (ConnectionError: the server is away); the search goes on")
    assert RunFolder(Path("results/chip")).is_complete and fake.steps == WHOLE[:4]
    fake.fails_at = None
    searched("wandb")
    assert fake.steps == WHOLE and fake.opened == [None, "mine"]


def test_one_that_cannot_be_opened_is_refused_at_first_and_left_out_later(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Fake:
        raise ConnectionError("no key")

    monkeypatch.setattr("nas.setup.tracking.open_tracker", away)
    with pytest.raises(UsageError, match=r"track names 'wandb', which cannot be opened \(ConnectionError: no key\)"):
        searched("wandb")
    assert not RunFolder(Path("results/chip")).has_value
    monkeypatch.setattr("nas.setup.tracking.open_tracker", fake.open)
    interrupted("wandb", at=7)
    monkeypatch.setattr("nas.setup.tracking.open_tracker", away)
    assert any("wandb cannot be told any more" in sentence for sentence in searched("wandb"))
    assert RunFolder(Path("results/chip")).is_complete


def test_what_is_not_installed_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("wandb").mkdir()
    monkeypatch.setattr("nas.setup.trackers.find_spec", lambda name: None)
    for name in TrackerName:
        with pytest.raises(
            UsageError, match=f"'{name}', which is not installed; pip install 'nas-supernet\\[{name}\\]'"
        ):
            searched(name)
    assert not Path("results").exists()


def test_a_damaged_account_of_what_was_told_is_named(fake: Fake) -> None:
    interrupted("wandb", at=3)
    account = RunFolder(Path("results/chip")).tracked
    account.write_text(json.dumps({"wandb": {"run": "mine"}}))
    with pytest.raises(UsageError, match=r"tracked.json is damaged, or from another version \('told' is missing\)"):
        searched("wandb")


def test_only_services_are_reached() -> None:
    config = resolve({"track": ["tensorboard"]}, "test")
    assert reached(config) == {}
    assert reached(config.model_copy(update={"track": [*TrackerName]})) == {"track": "mlflow and wandb and trackio"}
    with pytest.raises(UsageError, match=r"test: track.0 is 'tensorbord', but input should be 'tensorboard', 'mlflow'"):
        resolve({"track": ["tensorbord"]}, "test")


@dataclass
class Shown:
    """What a tracker has of the only run that it knows."""

    name: str
    settings: Mapping[str, Any]
    series: Series


def in_tensorboard(folder: Path) -> Shown:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    found.Reload()
    (text,) = found.Tensors("settings/text_summary")
    rows = [line.strip("| ").split(" | ") for line in text.tensor_proto.string_val[0].decode().splitlines()[2:]]
    names = found.Tags()["scalars"]
    return Shown(folder.name, dict(rows), {name: [(e.step, e.value) for e in found.Scalars(name)] for name in names})


def in_mlflow(folder: Path) -> Shown:
    from mlflow import MlflowClient

    client = MlflowClient()
    (experiment,) = [each for each in client.search_experiments() if each.name == "nas"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    series = {name: [(each.step, each.value) for each in history] for name, history in histories.items()}
    return Shown(run.info.run_name, run.data.params, series)


def in_wandb(folder: Path) -> Shown:
    from wandb.proto.wandb_internal_pb2 import Record

    files = sorted(path for path in folder.glob("wandb/*/*.wandb") if not path.parent.is_symlink())
    records = [Record.FromString(each) for file in files for each in leveldb_records(file.read_bytes())]
    (name,) = {each.run.display_name for each in records if each.HasField("run")}
    assert len({each.run.run_id for each in records if each.HasField("run")}) == 1
    settings = {
        item.key: json.loads(item.value_json)
        for each in records
        for item in each.run.config.update
        if each.HasField("run")
    }
    series: Series = {}
    for each in records:
        row = {"/".join(item.nested_key) or item.key: item.value_json for item in each.history.item}
        for key, value in row.items():
            stage, slash, figure = key.partition("/")
            if slash and figure != "step":
                series.setdefault(key, []).append((int(row[f"{stage}/step"]), float(value)))
    return Shown(name, settings, series)


def leveldb_records(data: bytes) -> Iterator[bytes]:
    """The records of a file in the log format of LevelDB, which here begins with 7 bytes of its own."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield record
            record = b""


def in_trackio(folder: Path) -> Shown:
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    (run,) = trackio.Api().runs("nas")
    series: Series = {}
    for row in SQLiteStorage.get_logs("nas", run.name):
        for key, value in row.items():
            if "/" in key:
                series.setdefault(key, []).append((row["step"], value))
    return Shown(run.name.rpartition("-")[0], run.config, series)


READERS = {"tensorboard": in_tensorboard, "mlflow": in_mlflow, "wandb": in_wandb, "trackio": in_trackio}


@pytest.mark.whole
@pytest.mark.parametrize("name", READERS)
def test_the_package_itself_shows_one_run_with_everything_once(name: str) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed: pip install 'nas-supernet[{name}]'")
    interrupted(name, at=7)
    searched(name)
    shown = READERS[name](Path("results/chip"))
    assert shown.name == "chip" and str(shown.settings["candidates"]) == str(len(EVERY))
    assert set(shown.series) == {"search/best_score", "best/score"}
    steps, best = zip(*shown.series["search/best_score"], strict=True)
    assert list(steps) == list(EVERY) and list(best) == sorted(best)
    assert shown.series["best/score"] == [(0, 15.0)]
