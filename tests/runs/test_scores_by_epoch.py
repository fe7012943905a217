"""A search tells in its log and on its page how good networks are while their supernet trains."""

from functools import partial
from pathlib import Path

import pytest
from killing import CHAIN

from nas.evaluation.epoch_scores import EpochScores
from nas.report.live import render_progress
from nas.runs import how_far, run_search
from nas.setup import RunFolder, resolve
from nas.setup.events import read_events

NAMES = ("validation_accuracy_largest", "validation_accuracy_smallest")


@pytest.mark.whole
def test_the_log_and_the_page_have_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.runs.scores_by_epoch.EpochScores", partial(EpochScores, share=float("inf")))
    folder = RunFolder(tmp_path / "run")
    run_search(resolve({**CHAIN, "training": {"epochs": 2}}, "test"), folder)
    events = read_events(folder.log_file)
    epochs = [event for event in events if event["stage"] == "train" and "epoch" in event]
    assert len(epochs) == 2 and all(0 <= epoch[name] <= 1 for epoch in epochs for name in NAMES)
    assert "validation-plot" in folder.report.read_text()
    assert "validation-plot" in render_progress(how_far(folder), {}, events)
