import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import Server, postgres_server
from searching_process import (
    ARCHITECTURES,
    ENTRIES,
    KEYS,
    OBJECTIVES,
    SPACE,
    STUDY,
    Searching,
    expected,
    killed_midway,
    opened_at_once,
    require_each_once,
)

from nas.errors import UsageError
from nas.search import Ledger

pytest.importorskip("psycopg2", reason="the PostgreSQL driver is not installed")
pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """With an empty database."""
    running.empty()
    return running


def test_claims_and_results_are_shared(server: Server) -> None:
    with (
        Ledger(server.url, STUDY, OBJECTIVES, owner="first") as first,
        Ledger(server.url, STUDY, OBJECTIVES, owner="second") as second,
    ):
        assert first.claim(KEYS[:3]) == set(KEYS[:3])
        assert second.claim(KEYS) == {KEYS[3]}
        first.extend(ENTRIES)
        second.extend([entry._replace(metrics={"accuracy": 0.9}) for entry in ENTRIES])
        assert second.get(KEYS[3]) == {"accuracy": 0.5}
        assert second.claim(KEYS) == set()
        assert len(first.study(SPACE).trials) == len(ARCHITECTURES)


def test_a_new_database_may_be_opened_by_several_at_once(server: Server) -> None:
    opened_at_once(server.url)


def test_claims_of_the_dead_are_free_after_their_lease(server: Server) -> None:
    dead = Ledger(server.url, STUDY, OBJECTIVES, owner="dead", lease=1)
    dead.claim(KEYS)
    dead._claims._closed.set()
    with Ledger(server.url, STUDY, OBJECTIVES, owner="other") as other:
        deadline = time.monotonic() + 60
        while not other.claim(KEYS):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert other.claim(KEYS) == set(KEYS)


def test_the_work_of_a_killed_search_is_done_by_the_other(server: Server, tmp_path: Path) -> None:
    killed_midway(server.url, tmp_path)


def test_a_search_goes_on_when_the_server_was_down(server: Server, tmp_path: Path) -> None:
    searching = Searching(server.url, tmp_path / "log.txt")
    searching.begin()
    searching.wait_until_evaluated(10)
    server.stop()
    server.start()
    status, said = searching.end()
    assert status == 0, said
    assert sorted(searching.evaluated) == sorted(expected())
    require_each_once(server.url, expected())


def test_a_server_that_stays_down_is_one_sentence(server: Server, tmp_path: Path) -> None:
    searching = Searching(server.url, tmp_path / "log.txt", retry_seconds=1.0)
    searching.begin()
    searching.wait_until_evaluated(10)
    server.stop()
    try:
        status, said = searching.end()
    finally:
        server.start()
    assert status == 1
    assert said.splitlines()[-1].startswith("UsageError: ledger 'postgresql://***@127.0.0.1:")
    assert said.endswith("start the database, then go on with `nas resume`.\n")
    assert "Traceback" not in said


@pytest.mark.parametrize("wrong", ["password", "database"])
def test_a_server_that_refuses_is_one_sentence_at_once(server: Server, wrong: str) -> None:
    url = {"password": server.url.replace("%20", "%21"), "database": server.url + "_other"}[wrong]
    with pytest.raises(UsageError, match=f"cannot be opened or written .*{wrong}"):
        Ledger(url, STUDY, OBJECTIVES)
