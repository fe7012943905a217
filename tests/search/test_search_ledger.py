import hashlib
import json
import math
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.errors import UsageError
from nas.search import Entry, Ledger, Objective, ResultIdentity, ResultKey
from nas.space import Architecture, Condition, Space

OBJECTIVES = [Objective("accuracy", maximise=True), Objective("latency_ms", maximise=False)]
SPACE = Space(
    {"depth": [1, 2], "kernel": [3, 5], "second": ["a", "b"]}, {"second": [(Condition(("depth",), frozenset({(1,)})),)]}
)
ONE = SPACE.architecture({"depth": 1, "kernel": 3})
TWO = SPACE.architecture({"depth": 2, "kernel": 5, "second": "b"})


IDENTITY = ResultIdentity("shared", "epochs=1", 7, "abc")


def key(architecture: Architecture) -> ResultKey:
    return ResultKey(architecture.key, IDENTITY)


def add(ledger: Ledger, architecture: Architecture, *metrics: dict[str, float], **changes: Any) -> None:
    """A result with its metrics, costs and violations, and changes of its identity."""
    ledger.extend([Entry(ResultKey(architecture.key, replace(IDENTITY, **changes)), architecture, *metrics)])


def open_ledger(folder: Path, name: str = "search", objectives: list[Objective] = OBJECTIVES) -> Ledger:
    return Ledger(folder / "study.db", name, objectives, {"space": SPACE.fingerprint})


def test_results_survive_two_reopenings(tmp_path: Path) -> None:
    exact = 0.1 + 0.2
    with open_ledger(tmp_path) as ledger:
        assert ledger.get(key(ONE)) is None
        add(ledger, ONE, {"accuracy": exact}, {"latency_ms": 2.0}, {"latency_ms <= 1": 1.0})
    with open_ledger(tmp_path) as ledger:
        assert ledger.get(key(ONE)) == {"accuracy": exact}
        add(ledger, TWO, {"accuracy": 0.9}, {"latency_ms": 3.0})
        before = ledger.table()
    with open_ledger(tmp_path) as ledger:
        assert len(ledger) == 2
        assert ledger.table().equals(before)
        assert before["number"].tolist() == [0, 1]
        assert before["id"].tolist() == [ONE.id, TWO.id]
        assert before["latency_ms"].tolist() == [2.0, 3.0]
        assert before.loc[0, ["evaluator", "fidelity", "seed", "weights"]].tolist() == ["shared", "epochs=1", 7, "abc"]


def test_the_first_of_equal_keys_counts(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
    add(ledger, ONE, {"accuracy": 0.6, "latency_ms": 1.0})
    assert ledger.get(key(ONE)) == {"accuracy": 0.5, "latency_ms": 1.0}
    assert len(ledger.table()) == 1


@pytest.mark.parametrize("part", ["evaluator", "fidelity", "seed", "weights"])
def test_every_part_of_the_key_counts(tmp_path: Path, part: str) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
    assert ledger.get(ResultKey(ONE.key, replace(IDENTITY, **{part: 8 if part == "seed" else "other"}))) is None


def test_a_key_is_stored_as_a_list_of_five(tmp_path: Path) -> None:
    """As in the ledgers of earlier runs, which are found again."""
    with open_ledger(tmp_path) as ledger:
        add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
        assert ledger.claim([key(TWO)]) == {key(TWO)}
        with sqlite3.connect(tmp_path / "study.db") as database:
            claims = database.execute("select digest from nas_claims").fetchall()
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.trials[0].user_attrs["key"] == [ONE.key, "shared", "epochs=1", 7, "abc"]
    text = json.dumps([TWO.key, "shared", "epochs=1", 7, "abc"])
    assert claims == [(hashlib.sha256(text.encode()).hexdigest(),)]


def test_two_open_ledgers_see_each_other(tmp_path: Path) -> None:
    first, second = open_ledger(tmp_path), open_ledger(tmp_path)
    add(first, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
    add(second, ONE, {"accuracy": 0.9, "latency_ms": 1.0})
    assert second.get(key(ONE)) == {"accuracy": 0.5, "latency_ms": 1.0}
    add(second, TWO, {"accuracy": 0.9, "latency_ms": 1.0})
    first.refresh()
    assert first.table().equals(second.table())


def test_optuna_reads_values_directions_and_constraints(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        add(ledger, ONE, {"accuracy": 0.5}, {"latency_ms": 2.0}, {"latency_ms <= 1": 1.0})
        add(ledger, TWO, {"accuracy": 0.9}, {"latency_ms": 1.0}, {"latency_ms <= 1": 0.0})
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.trials[0].values == [0.5, 2.0]
    assert study.trials[0].constraints == {"latency_ms <= 1": 1.0}
    assert [trial.number for trial in study.best_trials] == [1]


def test_a_result_that_is_not_a_number_is_a_failed_trial(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        add(ledger, ONE, {"accuracy": math.nan, "loss": math.inf, "latency_ms": 1.0})
    with open_ledger(tmp_path) as ledger:
        known = ledger.get(key(ONE))
        assert known is not None
        assert math.isnan(known["accuracy"])
        assert known["loss"] == math.inf
        assert len(ledger.study(SPACE).trials) == 0


def test_the_study_of_choices_leaves_inactive_ones_out(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
    add(ledger, TWO, {"accuracy": 0.9, "latency_ms": 1.0})
    trials = ledger.study(SPACE).trials
    assert [trial.params for trial in trials] == [{"depth": 0, "kernel": 0}, {"depth": 1, "kernel": 1, "second": 1}]


def test_the_write_ahead_log_is_on_and_optuna_keeps_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    verbosity = optuna.logging.get_verbosity()
    with open_ledger(tmp_path) as ledger:
        add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
        assert (tmp_path / "study.db-wal").exists()
    assert optuna.logging.get_verbosity() == verbosity
    assert "".join(capfd.readouterr()) == ""


def test_another_space_or_other_objectives_are_refused(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    with pytest.raises(UsageError, match="study 'search' was created with objectives"):
        open_ledger(tmp_path, objectives=OBJECTIVES[:1])
    with pytest.raises(UsageError, match="study 'search' was created with space"):
        Ledger(tmp_path / "study.db", "search", OBJECTIVES, {"space": "another"})
    assert len(open_ledger(tmp_path, name="second")) == 0


def test_a_foreign_study_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="search", directions=["maximize", "minimize"]
    )
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))
    with pytest.raises(UsageError, match="no ledger wrote"):
        open_ledger(tmp_path)


def test_a_missing_objective_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="objective 'latency_ms'"):
        add(open_ledger(tmp_path), ONE, {"accuracy": 0.5})


@pytest.mark.parametrize(
    "content", [b"this is not a database, only text " * 100, b"SQLite format 3\x00" + b"\xff" * 900]
)
def test_a_corrupt_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(UsageError, match=r"study\.db' is damaged \(.*\); delete .*study\.db and go on"):
        open_ledger(tmp_path)


def test_a_truncated_file_is_one_sentence(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        for number in range(30):
            add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0}, seed=number)
    content = (tmp_path / "study.db").read_bytes()
    (tmp_path / "study.db").write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match=r"study\.db' is damaged \(.*\); delete .*study\.db and go on"):
        open_ledger(tmp_path)


def test_text_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    """A flipped byte in a stored word was a UnicodeDecodeError."""
    with open_ledger(tmp_path) as ledger:
        add(ledger, ONE, {"accuracy": 0.5, "latency_ms": 1.0})
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("update study_user_attributes set value_json = cast(x'ff96' as text)")
    database.close()
    with pytest.raises(UsageError, match=r"study\.db' is damaged \(.*UTF-8.*\); delete .*study\.db"):
        open_ledger(tmp_path)


def test_a_sentence_keeps_the_password() -> None:
    with pytest.raises(UsageError, match="cannot be opened") as caught:
        Ledger("nosuchdatabase://user:secret@host/name", "search", OBJECTIVES)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("storage", ["no/such/folder/study.db", "nosuchdatabase://host/name"])
def test_a_storage_that_cannot_be_opened_is_one_sentence(storage: str) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        Ledger(storage, "search", OBJECTIVES)
