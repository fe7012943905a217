"""The tables of a run at 80 and at 120 columns: ids and figures are whole, whatever the names are."""

from pathlib import Path
from typing import Any

import pytest

from nas.cli.run_tables import print_comparison, print_runs, print_state
from nas.cli.tables import print_result
from nas.setup import RunFolder

LONG = "a-name-that-somebody-gave-to-a-run-of-theirs"
FIGURES = ("6.1 k", "1.33 M", "53.2 kB", "~0.0246 ms ± 40.7%")


@pytest.fixture(params=[80, 120])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def printed(capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    """The lines but those of files, which fit."""
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if not line.startswith("  /")]
    assert max(map(len, lines)) <= width and not any("…" in line for line in lines)
    return lines


def network(name: str, metric: str) -> dict[str, Any]:
    bounds = {f"{part}{metric}{bound}": 0.98765 for part in ("", "test_") for bound in ("", "_low", "_high")}
    return {
        "id": name, "latency_ms": 0.0246, "latency_spread_ms": 0.01, "latency_source": "predicted", "params": 6_104,
        "flops": 1_331_000, "peak_memory_bytes": 53_200, f"shared_{metric}": 0.5, **bounds,
    }  # fmt: skip


@pytest.mark.parametrize("metric", ["accuracy", "bits_per_character", "mean_average_precision"])
def test_the_result_of_a_search(metric: str, width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"shape": ["batch", 1, 8, 8], "dtype": "float32", "form": "unit", "values": [0, 1], "colours": "grey"}
    file = {"name": "best.onnx", "dtype": "int8", "bytes": 9, "input": given}
    rows = [network(f"{number:010x}", metric) for number in range(3)]
    best = network("5023733a1b", metric) | {"file": file}
    result = {
        "run": LONG, "metric": metric, "best": best, "front": rows, "largest": network("ffffffffff", metric),
        "random": None,
        "selection": {"finish": [{**best, f"finished_{metric}": 0.9, "origin": "random"}], "trained": True},
        "cost": "latency_ms", "score": metric, "evaluator": "shared-weights", "notes": ["words " * 40],
    }  # fmt: skip
    print_result(result, RunFolder(tmp_path))
    lines = printed(capsys, width)
    for name in (*(row["id"] for row in rows), "5023733a1b", "largest"):
        (line,) = (line for line in lines if line.split() and line.split()[0] == name)
        assert all(figure in line for figure in FIGURES), line


def test_the_list_of_runs_and_their_comparison(width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "run": LONG, "kind": "search", "space": "once_for_all", "task": "noisy_digits",
        "method": "mixture-of-supernets", "begun": "2026-03-01T09:30:00", "state": "interrupted",
        "metric": "accuracy", "score": 0.98765, "latency_ms": 0.0246,
    }  # fmt: skip
    unknown = dict.fromkeys(row) | {"run": "broken", "state": "damaged"}
    print_runs([row, unknown])
    text = "\n".join(printed(capsys, width))
    assert all(whole in text for whole in ("2026-03-01", "interrupted", "98.77%", "0.0246 ms", "damaged"))
    figures = {"test_accuracy": 0.98765, "latency_ms": 0.0246, "params": 6_104, "flops": None}
    settings = {"training.learning_rate": {LONG: 0.1, "b": None}, "constraints": {LONG: ["latency_ms <= 2"], "b": []}}
    print_comparison([{"run": LONG, **figures}, {"run": "b", **figures}], settings)
    assert any("98.77% 0.0246 ms  6.1 k" in line for line in printed(capsys, width))
    told = {
        "run": LONG,
        "kind": "search",
        "state": "interrupted",
        "begun": row["begun"],
        "stage": "search",
        "seconds": {},
    }
    told |= {"epochs": 3, "loss": 1.5, "evaluated": 24, "of": 200, "metric": "accuracy", "best": None}
    print_state(told, RunFolder(tmp_path / LONG))
    assert "Evaluated: 24 of 200 candidates, none fits yet." in printed(capsys, width)
