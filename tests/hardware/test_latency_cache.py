import dataclasses
import json
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.hardware import LatencyCache, Measurement

FIRST = Measurement(1.5, 0.1, 40, 1, 1, "float32", "cpu", "a chip", {"torch": "2"})
SECOND = dataclasses.replace(FIRST, latency_ms=3.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "latency.jsonl"


def test_measurement_survives_json() -> None:
    assert Measurement.from_dict(json.loads(json.dumps(FIRST.to_dict()))) == FIRST


@pytest.mark.parametrize(
    ("change", "match"),
    [({"latency_ms": "fast"}, "latency_ms is 'fast'"), ({"extra": 1}, "extra"), ({"versions": 3}, "versions is 3")],
)
def test_damaged_measurement_gets_a_sentence(change: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Measurement.from_dict(FIRST.to_dict() | change)


def test_kept_over_restarts(path: Path) -> None:
    cache = LatencyCache(path)
    assert cache.get("net", "cpu-1", (3, 8, 8)) is None
    cache.add("net", "cpu-1", (3, 8, 8), FIRST)
    cache.add("other", "cpu-1", [3, 8, 8], SECOND)
    for each in (cache, LatencyCache(path)):
        assert len(each) == 2
        assert each.get("net", "cpu-1", [3, 8, 8]) == FIRST
        assert each.get("other", "cpu-1", (3, 8, 8)) == SECOND
        assert each.get("net", "cpu-2", (3, 8, 8)) is None
        assert each.get("net", "cpu-1", (3, 9, 8)) is None


def test_the_later_measurement_wins(path: Path) -> None:
    LatencyCache(path).add("net", "cpu", (4,), FIRST)
    LatencyCache(path).add("net", "cpu", (4,), SECOND)
    assert LatencyCache(path).get("net", "cpu", (4,)) == SECOND


def test_any_torn_last_line_is_dropped_and_writing_goes_on(path: Path) -> None:
    LatencyCache(path).add("one", "cpu", (4,), FIRST)
    whole = path.read_bytes()
    LatencyCache(path).add("two", "cpu", (4,), SECOND)
    both = path.read_bytes()
    for length in range(len(whole), len(both)):
        path.write_bytes(both[:length])
        cache = LatencyCache(path)
        assert (len(cache), path.read_bytes()) == (1, both[:length]), "who only reads changes nothing"
        cache.add("two", "cpu", (4,), SECOND)
        assert path.read_bytes() == both


@pytest.mark.parametrize("damage", [b"{broken\n", b'{"network": "a"}\n', b"\xff\x00\n", b"[]\n"])
def test_damage_elsewhere_names_file_and_line(path: Path, damage: bytes) -> None:
    cache = LatencyCache(path)
    cache.add("one", "cpu", (4,), FIRST)
    cache.add("two", "cpu", (4,), SECOND)
    first, second = path.read_bytes().splitlines(keepends=True)
    for content, line in [(first + damage + second, 2), (damage + second, 1), (first + damage, 2)]:
        path.write_bytes(content)
        with pytest.raises(UsageError, match=rf"latency\.jsonl line {line} is no measurement"):
            LatencyCache(path)
        assert path.read_bytes() == content
