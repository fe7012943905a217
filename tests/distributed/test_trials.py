"""Trials under Ray Tune: the worst stop early, none is lost, and what is interrupted goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nas.distributed.trials import Report, TrialOutcome, require_shared_folder, run_trials
from nas.errors import UsageError
from nas.tasks import ACCURACY, BITS_PER_CHARACTER, Metric

EPOCHS = 4


@dataclass(frozen=True)
class Pretend:
    """A training whose checkpoint is the number of its epochs, and whose accuracy is that of its number.

    Attributes:
        log: file that gets a line for every epoch that is trained.
        diverges: trials whose loss does.
        breaks: trials with a bug.
        dies: trials whose worker is killed in their third epoch, once.
    """

    log: Path
    diverges: tuple[int, ...] = ()
    breaks: tuple[int, ...] = ()
    dies: tuple[int, ...] = ()
    seconds: float = 0.05

    def __call__(self, number: int, checkpoint: Path, report: Report) -> None:
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        for epoch in range(done, EPOCHS):
            time.sleep(self.seconds)
            with self.log.open("a") as file:
                file.write(f"{number} {epoch}\n")
            if number in self.diverges:
                raise UsageError("training diverged in epoch 1")
            if number in self.breaks:
                raise ZeroDivisionError("a bug")
            killed = self.log.with_name(f"killed-{number}")
            if number in self.dies and epoch == 2 and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            checkpoint.write_text(str(epoch + 1))
            report(epoch + 1, {"accuracy": number / 10 + epoch / 100, "bits_per_character": number + 1 - epoch / 10})


def carry_out(
    folder: Path, count: int = 4, metric: Metric = ACCURACY, workers: int = 1, **how: Any
) -> list[TrialOutcome]:
    """So many trials of four epochs each, begun or continued in the folder."""
    train = Pretend(folder / "log.txt", **how)
    return run_trials(train, [EPOCHS] * count, folder, metric, workers=workers, cpus=0.5)


def epochs_of(folder: Path) -> list[str]:
    return (folder / "log.txt").read_text().splitlines()


def test_the_worst_are_stopped_and_the_best_is_not(ray: Any, tmp_path: Path, capfd: Any) -> None:
    done: list[tuple[int, int]] = []
    train = Pretend(tmp_path / "log.txt")
    outcomes = run_trials(
        train, [EPOCHS] * 6, tmp_path, BITS_PER_CHARACTER, workers=1, on_done=lambda *now: done.append(now)
    )
    assert [outcome.number for outcome in outcomes] == list(range(6))
    states = [outcome.state for outcome in outcomes]
    assert states == ["finished", *["stopped"] * 5], "the less the better"
    assert [outcome.epochs for outcome in outcomes] == [EPOCHS, *[1] * 5]
    assert sorted(epochs_of(tmp_path)) == sorted([*(f"0 {e}" for e in range(EPOCHS)), *(f"{n} 0" for n in range(1, 6))])
    assert outcomes[0].metrics == pytest.approx({"accuracy": 0.03, "bits_per_character": 0.7})
    assert done[-1] == (6, EPOCHS + 5) and done == sorted(done)
    for outcome in outcomes:
        assert outcome.checkpoint is not None and outcome.checkpoint.read_text() == str(outcome.epochs)
    assert not list(tmp_path.rglob("*.pkl"))
    assert carry_out(tmp_path, 6, BITS_PER_CHARACTER) == outcomes, "what has ended is not done again"
    assert len(epochs_of(tmp_path)) == EPOCHS + 5
    assert capfd.readouterr() == ("", "")


def test_what_goes_wrong_in_one_trial_leaves_the_others(ray: Any, tmp_path: Path) -> None:
    good, diverged, died = carry_out(tmp_path, 3, diverges=(1,), dies=(2,), workers=2)
    assert good.checkpoint is not None and good.error is None
    assert (diverged.state, diverged.error, diverged.checkpoint) == ("failed", "training diverged in epoch 1", None)
    assert (died.state, died.epochs, died.error) == ("finished", EPOCHS, None)
    epochs = epochs_of(tmp_path)
    assert [line for line in epochs if line[0] == "2"] == ["2 0", "2 1", "2 2", "2 2", "2 3"], "from its checkpoint"
    assert epochs.count("1 0") == 1, "a loss that diverges would diverge again"


@pytest.mark.slow
def test_a_bug_is_tried_thrice_and_told(ray: Any, tmp_path: Path) -> None:
    good, broken = carry_out(tmp_path, 2, breaks=(1,))
    assert (good.state, good.error) == ("finished", None)
    assert (broken.state, broken.error, broken.checkpoint) == ("failed", "ZeroDivisionError: a bug", None)
    assert epochs_of(tmp_path).count("1 0") == 3
    assert "a bug" in (tmp_path / "trials/trial-1/error.txt").read_text()


def test_trials_that_all_fail_are_told_as_such(ray: Any, tmp_path: Path) -> None:
    outcomes = carry_out(tmp_path, 2, diverges=(0, 1))
    assert [outcome.state for outcome in outcomes] == ["failed", "failed"]


def test_one_machine_shares_its_folder_with_itself(ray: Any, tmp_path: Path) -> None:
    require_shared_folder(tmp_path, "--results")


def test_a_machine_that_does_not_see_the_folder_is_named(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node,) = ray.nodes()
    gone = {**node, "NodeID": "a" * len(node["NodeID"]), "NodeManagerHostname": "elsewhere"}
    monkeypatch.setattr(ray, "nodes", lambda: [node, gone])
    monkeypatch.setattr("nas.distributed.trials._ANSWER_SECONDS", 10.0)
    with pytest.raises(UsageError, match=r"--results is '.*', but machine elsewhere of the cluster does not see it"):
        require_shared_folder(tmp_path, "--results")
    assert not list(tmp_path.iterdir())


# It has a Ray of its own, which is killed with it.
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_trials import carry_out
from nas.distributed import connected
with connected(cpus=2):
    carry_out(Path({folder!r}), 4, workers=2, seconds=0.5)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_call_that_is_ended_is_continued_from_its_last_epochs(how: signal.Signals, ray: Any, tmp_path: Path) -> None:
    program = PROGRAM.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "log.txt").exists() or len(epochs_of(tmp_path)) < 6:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(how)
    _, error = process.communicate()
    assert process.returncode == -how, error
    before = epochs_of(tmp_path)
    outcomes = carry_out(tmp_path, 4, workers=2)
    after = epochs_of(tmp_path)[len(before) :]
    assert len(outcomes) == 4 and all(outcome.checkpoint for outcome in outcomes)
    assert len(set(before) & set(after)) <= 2, "no more than what was under way"
    assert set(before) | set(after) >= {f"3 {epoch}" for epoch in range(EPOCHS)}, "the best is trained to its end"
