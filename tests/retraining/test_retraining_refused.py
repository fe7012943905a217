"""Runs that `nas retrain` leaves as they are."""

from pathlib import Path

import pandas as pd
import pytest
from searched import ASKED

from nas.distributed.trials import TrialOutcome
from nas.errors import UsageError
from nas.retraining import run as retraining
from nas.retraining.run import retrain_run
from nas.setup import RunFolder


def test_where_every_trial_fails_nothing_is_replaced(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder.best.read_bytes(), folder.onnx.read_bytes()
    failed = [TrialOutcome(number, "failed", 0, 0.0, error="training diverged in epoch 1") for number in range(3)]
    monkeypatch.setattr(retraining._Retraining, "train", lambda self: failed)
    with pytest.raises(UsageError, match="every trial failed, the first with: training diverged in epoch 1"):
        retrain_run(folder, folder.load_config(), **ASKED)
    assert (folder.best.read_bytes(), folder.onnx.read_bytes()) == before
    assert pd.read_csv(folder.path / "retrained.csv")["error"].tolist() == ["training diverged in epoch 1"] * 3


def test_runs_that_cannot_be_retrained_are_refused(folder: RunFolder, tmp_path: Path) -> None:
    config = folder.load_config()
    for asked, sentence in (({"top": 0}, "top is 0; give 1 or more"), ({"trials": 0}, "trials is 0; give 1")):
        with pytest.raises(UsageError, match=sentence):
            retrain_run(folder, config, **asked)
    with pytest.raises(UsageError, match=r"run 'rum' does not exist in .*; did you mean 'run'\?"):
        retrain_run(RunFolder(tmp_path / "rum"), config)
    folder.report.unlink()
    with pytest.raises(UsageError, match="run 'run' has no result yet; finish it with: nas resume run"):
        retrain_run(folder, config)
    profile = RunFolder(tmp_path / "profile")
    profile.create(config, "profile")
    with pytest.raises(UsageError, match="run 'profile' is a profile, which has no networks to train; name a search"):
        retrain_run(profile, config)
    assert not folder.retraining.exists()
