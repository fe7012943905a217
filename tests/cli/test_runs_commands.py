"""`nas list runs`, `nas show`, `nas rm`, `nas init`; a run by its name and by any path."""

import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from command_line import Outcome, nas
from filelock import FileLock

from nas.runs import served
from nas.setup import RunFolder, resolve


@pytest.fixture
def mixed(copied: Path) -> Path:
    """A finished run, one that was interrupted before its result, one that is damaged, and other folders."""
    for name in ("cut", "damaged", "profiled"):
        shutil.copytree(copied / "tiny", copied / name)
    for file in ("best.json", "best.onnx", "report.html"):
        (copied / "cut" / file).unlink()
    (copied / "damaged" / "best.json").write_text('{"metric": 3, "best": []}')
    profiled = copied / "profiled" / "run.json"
    profiled.write_text(json.dumps({**json.loads(profiled.read_text()), "kind": "profile"}))
    (copied / "none").mkdir()
    return copied


def test_runs_are_listed_with_what_is_known_of_them(mixed: Path, finished: tuple[Path, Outcome]) -> None:
    rows = {row["run"]: row for row in nas("list", "runs", "--results", mixed, "--json").json}
    assert {name: row["state"] for name, row in rows.items()} == {
        "tiny": "finished", "cut": "interrupted", "damaged": "damaged", "profiled": "interrupted",
    }  # fmt: skip
    best, row = finished[1].json["best"], rows["tiny"]
    assert (row["space"], row["task"], row["method"], row["kind"]) == ("chain", "digits", "bignas", "search")
    assert (row["metric"], row["score"], row["latency_ms"]) == ("accuracy", best["accuracy"], best["latency_ms"])
    assert row["begun"] == json.loads((mixed / "tiny" / "run.json").read_text())["begun"]
    assert rows["cut"]["score"] is None and rows["profiled"]["method"] == "profile"
    printed = nas("list", "runs", "--results", mixed)
    assert printed.code == 0 and all(name in printed.out for name in rows)
    assert "There are no runs in" in nas("list", "runs", "--results", mixed / "none").out


def test_a_finished_run_is_shown_as_its_search_told_it(copied: Path, finished: tuple[Path, Outcome]) -> None:
    assert nas("show", "tiny", "--results", copied, "--json").json == finished[1].json
    shown = nas("show", copied / "tiny")
    assert shown.code == 0 and finished[1].json["best"]["id"] in shown.out and "Chosen: " in shown.out
    assert nas("resume", "tiny", "--results", copied).out == shown.out


def test_an_unfinished_run_tells_how_far_it_is(mixed: Path) -> None:
    told = nas("show", "cut", "--results", mixed, "--json").json
    assert (told["state"], told["epochs"], told["evaluated"], told["of"]) == ("interrupted", 1, 8, 8)
    text = " ".join(nas("show", "cut", "--results", mixed).out.split())
    assert "Trained: 1 epoch" in text and "Evaluated: 8 of 8 candidates, best accuracy" in text
    assert f"Continue with: nas resume cut --results {mixed}" in text


def test_a_damaged_result_is_a_sentence(mixed: Path) -> None:
    outcome = nas("show", "damaged", "--results", mixed)
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and "best.json is damaged" in outcome.err


@pytest.mark.parametrize("how", ["name", "path", "here", "variable"])
def test_a_run_is_found(how: str, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied / "tiny" if how == "here" else tmp_path)
    if how == "variable":
        monkeypatch.setenv("NAS_RESULTS", str(copied))
    run = {"name": "tiny", "path": "results/tiny/", "here": ".", "variable": "tiny"}[how]
    assert nas("show", run).code == 0
    monkeypatch.chdir("/")
    lost = nas("show", "tinny", "--results", copied)
    assert lost.code == 2 and f"does not exist in {copied} nor as the folder /tinny; did you mean 'tiny'?" in lost.err


def test_resuming_a_path_ends_as_by_name(copied: Path, finished: tuple[Path, Outcome]) -> None:
    assert nas("resume", copied / "tiny", "--json").json == finished[1].json


def test_an_id_may_be_cut_where_only_one_begins_so(copied: Path, tmp_path: Path) -> None:
    ids = (copied / "tiny" / "candidates.csv").read_text().splitlines()[1:]
    whole = ids[0].partition(",")[0]
    prefix = next(whole[:size] for size in range(1, 11) if sum(each.startswith(whole[:size]) for each in ids) == 1)
    out = tmp_path / "other.onnx"
    done = nas("export", "tiny", "--results", copied, "--architecture", prefix, "--out", out, "--json")
    assert done.code == 0, done.err
    table = copied / "tiny" / "candidates.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *("ff" + line for line in lines[1:])]))
    several = nas("export", "tiny", "--results", copied, "--architecture", "ff")
    assert several.code == 2 and "'ff' begins 8 ids" in several.err and "give more of it" in several.err


def test_a_run_is_removed_with_all_of_it_and_nothing_else(mixed: Path) -> None:
    silent = nas("rm", "tiny", "--results", mixed)
    assert silent.code == 2 and "add --yes" in silent.err and RunFolder(mixed / "tiny").is_complete
    done = nas("rm", "tiny", "cut", "--yes", "--results", mixed)
    assert done.code == 0 and f"deleted {mixed / 'cut'}" in done.out
    assert {path.name for path in mixed.iterdir()} == {"damaged", "profiled", "none"}


def test_what_is_no_run_or_in_progress_stays(mixed: Path) -> None:
    (mixed / "link").symlink_to(mixed / "cut")
    (mixed / "config.yaml").write_text((mixed / "tiny" / "config.yaml").read_text())
    with FileLock(mixed / "tiny" / ".lock"):
        assert nas("list", "runs", "--results", mixed, "--json").json[0]["state"] in (
            "running",
            "interrupted",
            "finished",
        )
        refused = {
            "none": "does not exist", "tiny": "in progress", "link": "is a link", str(mixed): "holds other runs",
        }  # fmt: skip
        for run, why in refused.items():
            outcome = nas("rm", "cut", run, "--yes", "--results", mixed)
            assert outcome.code == 2 and why in outcome.err and outcome.err.count("\n") == 1, run
    assert all((mixed / name).exists() for name in ("tiny", "cut", "none", "link"))


def test_a_first_configuration_is_one_that_a_search_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert nas("init").code == 0
    text = Path("run.yaml").read_text()
    assert resolve(yaml.safe_load(text), "run.yaml") == resolve({}, "nothing"), "values are the defaults"
    all_keys = yaml.safe_load(re.sub(r"(?m)^( *)# (?=\w+: |\w+:$|  \w+: |- )", r"\1", text))
    assert {"data_dir", "time", "training", "method"} <= set(all_keys)
    assert resolve(all_keys, "run.yaml").training.batch_size == 64
    again = nas("init")
    assert again.code == 2 and "there already" in again.err and Path("run.yaml").read_text() == text


@pytest.mark.parametrize("words", [[], ["device"], ["-h"], ["search", "-h"], ["--version"]], ids=str)
def test_what_a_newcomer_types_first(words: list[str]) -> None:
    outcome = nas(*words)
    assert outcome.code == 0 and outcome.out.strip() and not outcome.err
    assert max(map(len, outcome.out.splitlines())) <= 80
    if words == []:
        cut = [line for line in outcome.out.splitlines() if line.endswith("...") and not line.startswith("Usage")]
        assert not cut, "what a command does is cut off"


def test_quiet_tells_results_alone_and_verbose_logs(copied: Path, tmp_path: Path) -> None:
    quiet = nas("-q", "export", "tiny", "--results", copied, "--out", tmp_path / "a.onnx")
    assert quiet.code == 0 and quiet.err == "" and len(quiet.out.splitlines()) == 2
    told = nas("export", "tiny", "--results", copied, "--out", tmp_path / "a.onnx")
    assert "agrees with PyTorch" in told.err


def test_runs_are_compared(mixed: Path, tmp_path: Path, finished: tuple[Path, Outcome]) -> None:
    other = json.loads((mixed / "tiny" / "run.json").read_text())
    other["config"]["seed"], other["config"]["training"]["epochs"] = 7, 3
    shutil.copytree(mixed / "tiny", mixed / "other")
    (mixed / "other" / "run.json").write_text(json.dumps(other))
    (mixed / "other" / "config.yaml").unlink()
    outcome = nas("compare", "tiny", mixed / "other", "--results", mixed, "--out", tmp_path / "page.html", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["settings"] == {
        "seed": {"tiny": 0, "other": 7}, "training.epochs": {"tiny": 1, "other": 3},
    }  # fmt: skip
    assert [row["test_accuracy"] for row in outcome.json["runs"]] == [finished[1].json["best"]["test_accuracy"]] * 2
    assert "Fronts" in (tmp_path / "page.html").read_text()
    assert "training.epochs" in nas("compare", "tiny", "other", "--results", mixed).out
    assert (mixed / "comparison.html").exists()
    for runs, why in {
        ("tiny",): "two different runs", ("tiny", "cut"): "no result yet", ("tiny", "profiled"): "is a profile",
        ("tiny", "damaged"): "best.json is damaged",
    }.items():  # fmt: skip
        refused = nas("compare", *runs, "--results", mixed)
        assert refused.code == 2 and why in refused.err and refused.err.count("\n") == 1, runs


def test_the_page_of_a_run_is_written_anew(mixed: Path) -> None:
    RunFolder(mixed / "tiny").trust()
    report, result = mixed / "tiny" / "report.html", (mixed / "tiny" / "best.json").read_bytes()
    headings = re.findall("<h2>.*?</h2>", report.read_text())
    report.write_text("old")
    done = nas("report", "tiny", "--results", mixed)
    assert (done.code, done.out.strip()) == (0, str(report)), done.err
    assert re.findall("<h2>.*?</h2>", report.read_text()) == headings and len(headings) > 8
    assert (mixed / "tiny" / "best.json").read_bytes() == result
    unfinished = nas("report", "cut", "--results", mixed)
    assert unfinished.out.strip() == str(mixed / "cut" / "progress.html")
    assert "Candidates" in (mixed / "cut" / "progress.html").read_text()
    assert not (mixed / "cut" / "report.html").exists()


def test_a_run_is_watched_on_this_machine_alone(mixed: Path) -> None:
    with served(RunFolder(mixed / "cut"), "127.0.0.1", 0, 3) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"http://127.0.0.1:{server.server_address[1]}"
        with urllib.request.urlopen(f"{where}/") as answer:
            assert answer.headers["Refresh"] == "3" and b"This run is interrupted" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{where}/config.yaml")
        server.shutdown()
    with served(RunFolder(mixed / "tiny"), "127.0.0.1", 0, 3) as server:
        taken = nas("watch", "tiny", "--results", mixed, "--port", server.server_address[1])
        assert taken.code == 2 and "choose another --port" in taken.err
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/") as answer:
            assert "Refresh" not in answer.headers and answer.read() == (mixed / "tiny" / "report.html").read_bytes()
        server.shutdown()
