"""A search in a process of its own, on a small space with a slow evaluator, in a ledger that others share.

And what is expected of such searches, wherever the ledger is.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from nas.errors import UsageError
from nas.search import Objective, RandomSearch, Result, search
from nas.search.ledger import Entry, Ledger, ResultKey
from nas.space import Architecture, Space

__all__ = [
    "ARCHITECTURES",
    "ENTRIES",
    "KEYS",
    "OBJECTIVES",
    "SPACE",
    "STUDY",
    "Searching",
    "expected",
    "killed_midway",
    "opened_at_once",
    "require_each_once",
]

SPACE = Space({name: list(range(6)) for name in ("depth", "kernel", "width")}, {})
OBJECTIVES = [Objective("accuracy", maximise=True)]
STUDY = "shared"
BUDGET = 40
BATCH = 5
SECONDS = 300

ARCHITECTURES = [SPACE.sample(seed) for seed in range(4)]
KEYS = [ResultKey(architecture.key) for architecture in ARCHITECTURES]
ENTRIES = [Entry(key, each, {"accuracy": 0.5}) for key, each in zip(KEYS, ARCHITECTURES, strict=True)]


class Searching:
    """The process, on its way to open the ledger.

    Args:
        log: file that it appends a line to for each architecture that it evaluated itself, once that is recorded.
        pause: seconds for each evaluation.
        lease: of its claims, in seconds.
        retry_seconds: for how long it tries to open a lost connection again.
    """

    def __init__(self, storage: str, log: Path, pause: float = 0.05, lease: float = 3.0, retry_seconds: float = 30.0):
        settings = {"storage": storage, "log": str(log), "pause": pause, "lease": lease, "retry_seconds": retry_seconds}
        self._log = log
        self.process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def begin(self) -> None:
        """Waits until it has opened the ledger, and lets it search."""
        assert self.process.stdin
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(self.process.communicate()[1])
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    @property
    def evaluated(self) -> list[str]:
        """Keys of the architectures that it evaluated."""
        return self._log.read_text().splitlines() if self._log.exists() else []

    def wait_until_evaluated(self, count: int) -> None:
        """Waits for so many; fails when the process ends before."""
        deadline = time.monotonic() + SECONDS
        while len(self.evaluated) < count:
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, f"only {len(self.evaluated)} of {count} were evaluated"
            time.sleep(0.01)

    def end(self) -> tuple[int, str]:
        """Waits for its end; the exit status and what it said."""
        _, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said


def expected() -> list[str]:
    """Keys of the architectures that an undisturbed search evaluates."""
    return [architecture.key for architecture in RandomSearch(SPACE, 0).ask(BUDGET)]


def require_each_once(storage: Path | str, keys: list[str]) -> None:
    """The study holds these, each once, and no failed trial."""
    with Ledger(storage, STUDY, OBJECTIVES) as ledger:
        recorded = ledger.table()
        trials = ledger.study(SPACE).trials
    assert len(recorded) == len(keys)
    assert recorded["architecture"].is_unique
    assert {ResultKey(SPACE.architecture(trial.params).key).architecture for trial in trials} == set(keys)
    assert len(trials) == len(keys)


def opened_at_once(storage: str, count: int = 4) -> None:
    """So many open a new storage at the same moment; they end up in one study."""
    together = threading.Barrier(count)

    def write(number: int) -> None:
        together.wait()
        with Ledger(storage, STUDY, OBJECTIVES) as ledger:
            ledger.extend([ENTRIES[number]])

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(write, range(count)))
    require_each_once(storage, [key.architecture for key in KEYS])


def killed_midway(storage: str, folder: Path) -> None:
    """Two searches on one study, one killed: the other ends with what an undisturbed one finds, nothing done twice."""
    victim, survivor = (Searching(storage, folder / name) for name in ("victim.txt", "survivor.txt"))
    for searching in (victim, survivor):
        searching.begin()
    victim.wait_until_evaluated(8)
    victim.process.kill()
    victim.end()
    status, said = survivor.end()
    assert status == 0, said
    assert len(victim.evaluated) < BUDGET
    assert not set(victim.evaluated) & set(survivor.evaluated)
    assert len(set(survivor.evaluated)) == len(survivor.evaluated) > 0
    require_each_once(storage, expected())


def main(storage: str, log: str, pause: float, lease: float, retry_seconds: float) -> None:
    own: set[Architecture] = set()

    def evaluate(architectures: Sequence[Architecture]) -> pd.DataFrame:
        time.sleep(pause * len(architectures))
        own.update(architectures)
        return pd.DataFrame({"accuracy": [sum(map(int, each.values())) / 15 for each in architectures]})

    def note(result: Result) -> None:
        if result.architecture in own:
            with Path(log).open("a") as file:
                file.write(result.architecture.key + "\n")

    with Ledger(storage, STUDY, OBJECTIVES, lease=lease, retry_seconds=retry_seconds) as ledger:
        print("ready", flush=True)
        sys.stdin.readline()
        search(
            SPACE,
            evaluate,
            RandomSearch(SPACE, 0),
            objectives=OBJECTIVES,
            budget=BUDGET,
            batch=BATCH,
            ledger=ledger,
            on_result=note,
        )


if __name__ == "__main__":
    try:
        main(**json.loads(sys.argv[1]))
    except UsageError as error:
        sys.exit(f"UsageError: {error}")
