"""``nas search --track``: a network's search is shown elsewhere, too."""

from pathlib import Path

import pytest
from command_line import nas, search_arguments

from nas.setup import RunFolder
from nas.setup.events import read_events


def test_losses_candidates_and_the_network_are_in_the_event_files(copied: Path) -> None:
    reason = "tensorboard is not installed: pip install 'nas-supernet[tensorboard]'"
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    done = nas(*search_arguments(copied.parent, "--name", "tiny", "--track", "tensorboard"))
    assert done.code == 0, done.err
    found = reading.EventAccumulator(str(copied / "tiny" / "tensorboard"))
    found.Reload()
    values = {name: [event.value for event in found.Scalars(name)] for name in found.Tags()["scalars"]}
    events = read_events(RunFolder(copied / "tiny").log_file)
    epochs = [event for event in events if event["stage"] == "train" and "epoch" in event]
    for name in ("loss", "loss_smallest", "learning_rate"):
        assert values[f"train/{name}"] == pytest.approx([epoch[name] for epoch in epochs])
    evaluated = [event["best"] for event in events if event["stage"] == "search" and "best" in event]
    assert values["search/best_accuracy"] == pytest.approx([each for each in evaluated if each is not None])
    best = done.json["best"]
    for name in ("accuracy", "test_accuracy", "latency_ms", "flops"):
        assert values[f"best/{name}"] == pytest.approx([best[name]])


def test_a_package_that_is_missing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.setup.trackers.find_spec", lambda name: None)
    refused = nas(*search_arguments(tmp_path, "--track", "tensorboard", "--track", "mlflow"))
    assert refused.code == 2 and refused.err.count("\n") == 1 and not (tmp_path / "results").exists()
    assert "'tensorboard', which is not installed; pip install 'nas-supernet[tensorboard]'" in refused.complaint
    unknown = nas(*search_arguments(tmp_path, "--track", "tensorbord"))
    assert unknown.code == 2 and "'tensorboard', 'mlflow', 'wandb', 'trackio'" in unknown.complaint
