import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from searching_process import ARCHITECTURES, ENTRIES, KEYS, OBJECTIVES, STUDY, killed_midway, opened_at_once

from nas.errors import UsageError
from nas.search import Ledger, Objective
from nas.search.storage import Storage

STOPPED = """
import sys
from nas.search import Objective
from nas.search.ledger import Entry, ResultKey, Ledger
from nas.space import Architecture

architecture = Architecture.from_json(sys.argv[2])
key = ResultKey(architecture.key)
with Ledger(sys.argv[1], "shared", [Objective("accuracy", maximise=True)], lease=0.5) as ledger:
    print(len(ledger.claim([key])), flush=True)
    sys.stdin.readline()
    ledger.extend([Entry(key, architecture, {"accuracy": 0.1})])
    print(ledger.get(key)["accuracy"], flush=True)
"""


def open_ledger(folder: Path, owner: str, study: str = STUDY, lease: float = 30.0) -> Ledger:
    return Ledger(folder / "study.db", study, OBJECTIVES, owner=owner, lease=lease)


def test_two_processes_never_hold_the_same_claim(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "first") as first, open_ledger(tmp_path, "second") as second:
        assert first.claim(KEYS[:3]) == set(KEYS[:3])
        assert second.claim(KEYS) == {KEYS[3]}
        assert first.claim(KEYS) == set(KEYS[:3])
        assert first.claim([]) == set()


def test_claims_of_other_studies_do_not_count(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "first") as first, open_ledger(tmp_path, "second", "another") as second:
        assert first.claim(KEYS) == second.claim(KEYS) == set(KEYS)


def test_what_is_written_cannot_be_claimed_and_frees_its_claim(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "first") as first, open_ledger(tmp_path, "second") as second:
        first.claim(KEYS)
        first.extend(ENTRIES[:2])
        assert second.claim(KEYS) == set()
        assert first.claim(KEYS) == set(KEYS[2:])
        assert second.get(KEYS[0]) == {"accuracy": 0.5}


def test_closing_frees_the_claims(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "second") as second:
        with open_ledger(tmp_path, "first") as first:
            first.claim(KEYS)
            assert second.claim(KEYS) == set()
        assert second.claim(KEYS) == set(KEYS)


def test_the_same_owner_has_its_claims_back_at_once(tmp_path: Path) -> None:
    before = open_ledger(tmp_path, "run")
    before.claim(KEYS)
    with open_ledger(tmp_path, "run") as after, open_ledger(tmp_path, "other") as other:
        assert other.claim(KEYS) == set()
        assert after.claim(KEYS) == set(KEYS)


def test_claims_last_while_their_ledger_is_open(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "first", lease=2) as first, open_ledger(tmp_path, "second") as second:
        first.claim(KEYS)
        time.sleep(4)
        assert second.claim(KEYS) == set()


def test_a_lease_ends_by_the_clock_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_ledger(tmp_path, "first", lease=3000) as first, open_ledger(tmp_path, "second") as second:
        first.claim(KEYS)
        now = Storage.now
        monkeypatch.setattr(time, "time", lambda: 1e12)
        assert second.claim(KEYS) == set()
        monkeypatch.setattr(Storage, "now", lambda self, connection: now(self, connection) + 3001)
        assert second.claim(KEYS) == set(KEYS)


def test_entries_are_written_in_order_and_equal_keys_once(tmp_path: Path) -> None:
    again = ENTRIES[0]._replace(metrics={"accuracy": 0.9})
    with open_ledger(tmp_path, "first") as ledger:
        ledger.extend([ENTRIES[1], ENTRIES[0], again, ENTRIES[2]])
        ledger.extend([again, ENTRIES[3]])
        assert ledger.table()["id"].tolist() == [ARCHITECTURES[each].id for each in (1, 0, 2, 3)]
        assert ledger.get(KEYS[0]) == {"accuracy": 0.5}


def test_of_a_batch_with_a_missing_objective_nothing_is_written(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "first") as ledger:
        with pytest.raises(UsageError, match="objective 'accuracy'"):
            ledger.extend([ENTRIES[0], ENTRIES[1]._replace(metrics={})])
        assert len(ledger) == 0


@pytest.mark.whole
def test_a_process_that_was_stopped_for_longer_than_its_lease_writes_nothing_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "study.db"), ARCHITECTURES[0].to_json()]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stopped,
        open_ledger(tmp_path, "second") as second,
    ):
        assert stopped.stdin
        assert stopped.stdout
        assert stopped.stdout.readline() == "1\n"
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + 60
            while not second.claim(KEYS[:1]):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            second.extend(ENTRIES[:1])
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        stopped.stdin.write("\n")
        stopped.stdin.flush()
        assert stopped.stdout.readline() == "0.5\n"
    study = optuna.load_study(study_name=STUDY, storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [trial.values for trial in study.trials] == [[0.5]]


def test_a_new_file_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    opened_at_once(str(tmp_path / "study.db"))


@pytest.mark.whole
def test_the_work_of_a_killed_search_is_done_by_the_other_on_sqlite(tmp_path: Path) -> None:
    killed_midway(str(tmp_path / "study.db"), tmp_path)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("postgres://user:secret@host/name", "database 'postgres' is not known; did you mean 'postgresql'"),
        ("postgresql://user:secret@host:port/name", "that is no database URL"),
        ("postgresql://user:secret@no.such.host.invalid/name", "could not translate host name|cannot be opened"),
        ("postgresql://user:secret@127.0.0.1:1/name", "127.0.0.1"),
        ("postgresql://127.0.0.1:1/name?user=a&password=secret", "127.0.0.1"),
        ("mysql+nosuchdriver://user:secret@host/name", "cannot be opened"),
        ("no/such/folder/study.db", "no folder"),
    ],
)
def test_a_wrong_storage_is_one_sentence_without_the_password(place: str, says: str) -> None:
    pytest.importorskip("psycopg2", reason="the PostgreSQL driver is not installed")
    with pytest.raises(UsageError, match=says) as caught:
        Ledger(place, STUDY, [Objective("accuracy", maximise=True)])
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(UsageError, match=r"pip install 'nas-supernet\[postgresql\]'"):
        Ledger("postgresql://user@host/name", STUDY, OBJECTIVES)


def test_odd_characters_in_a_path_are_kept(tmp_path: Path) -> None:
    place = tmp_path / "a {b} c#d?e%20f" / "study.db"
    place.parent.mkdir()
    Ledger(place, STUDY, OBJECTIVES).close()
    assert place.exists()


def lost(times: int) -> Callable[[], str]:
    """Work that loses its connection so many times."""
    import sqlalchemy

    failures = iter(range(times))

    def work() -> str:
        if next(failures, None) is None:
            return "done"
        raise sqlalchemy.exc.OperationalError("select 1", {}, Exception("connection refused"))

    return work


def test_a_lost_connection_is_tried_again_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg2", reason="the PostgreSQL driver is not installed")
    pauses: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    storage = Storage("postgresql://user@127.0.0.1:1/name")
    assert storage.retried(lost(4)) == "done"
    assert pauses == [0.5, 1, 2, 4]
    with pytest.raises(UsageError, match=r"could not open it again within 30 s.*nas resume"):
        storage.retried(lost(100))
    assert sum(pauses[4:]) == 30


def test_one_at_a_time_holds_the_lock_of_a_file(tmp_path: Path) -> None:
    inside: list[int] = []

    def hold(number: int) -> int:
        storage = Storage(tmp_path / "study.db")
        for _ in range(30):
            with storage.locked("study"):
                inside.append(number)
                time.sleep(0.001)
                assert inside == [number]
                inside.clear()
        return number

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(hold, range(4))) == [0, 1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == [".study.db.lock"]


def test_a_file_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "sleep")
    with pytest.raises(UsageError, match="connection refused"):
        Storage(tmp_path / "study.db").retried(lost(1))
