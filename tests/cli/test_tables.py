"""What commands print fits a terminal of 80 columns: no figure is cut off or goes on in the next line."""

from pathlib import Path
from typing import Any

import pytest

from nas.cli.dashboard import dashboard_command
from nas.cli.progress import RichProgress
from nas.cli.ranking import _print_report as print_ranking
from nas.cli.retraining import _print_report as print_retraining
from nas.cli.tables import print_feasibility, print_listing, print_predictor, print_result, print_seeds
from nas.cli.terminal import TextConsole
from nas.setup import RunFolder

Printed = pytest.CaptureFixture[str]
LONG = "a-name-that-somebody-gave-to-a-run-of-theirs"


@pytest.fixture(autouse=True)
def eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def lines_of(capsys: Printed) -> list[str]:
    """What was printed but the files that were written, in lines that fit."""
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if not line.startswith("  /")]
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    return lines


def network(metric: str) -> dict[str, Any]:
    """Figures as wide as they get."""
    value = 1.0 if metric == "accuracy" else -2.345
    bounds = {f"{part}{metric}{bound}": value for part in ("", "test_") for bound in ("", "_low", "_high")}
    return {
        "id": "5023733a1b", "latency_ms": 0.0246, "latency_spread_ms": 0.01, "latency_source": "predicted",
        "params": 117738, "flops": 3760896, "peak_memory_bytes": 53200, **bounds,
    }  # fmt: skip


@pytest.mark.parametrize("metric", ["accuracy", "bits_per_character"])
def test_the_summary_of_a_search(metric: str, tmp_path: Path, capsys: Printed) -> None:
    given = {"shape": ["batch", 1, 8, 8], "dtype": "float32", "form": "unit", "values": [0, 1], "colours": "grey"}
    best = network(metric) | {"file": {"name": "best.onnx", "dtype": "int8", "bytes": 9, "input": given}}
    best |= {f"selection_{metric}": -2.0, "optimism": 0.1}
    print_result(
        {
            "run": LONG, "metric": metric, "best": best, "front": [best], "largest": network(metric) | {"id": "b"},
            "random": None, "selection": {"equals": [best["id"]], "within": 0.5, "of": 3, "differ": []},
            "cost": "latency_ms", "notes": ["words " * 30],
        },
        RunFolder(tmp_path),
    )  # fmt: skip
    lines = lines_of(capsys)
    assert any("~0.0246 ms ± 40.7%" in line and line.endswith("53.2 kB") for line in lines)


def test_the_costs_of_a_space(capsys: Printed) -> None:
    row = {"smallest": 12_345_678, "median": 123_456_789, "largest": 987_654_321, "histogram": {"counts": [1, 0] * 10}}
    costs = {"peak_memory_bytes": row, "latency_ms": row}
    report = {"architectures": 3**40, "sampled": 200, "exact": False, "costs": costs, "constraints": {}}
    print_feasibility(LONG, (3, 224, 224), "onnxruntime (threads 1, batch 1, float32)", report)
    lines = lines_of(capsys)
    assert any("12.3 MB" in line and line.endswith("█ " * 9 + "█") for line in lines)
    print_feasibility("own", (1, 8, 8), "cpu", report, {"image_size": [6, 8]})
    assert "input 1x8x8, image_size 6 or 8; target cpu" in " ".join(lines_of(capsys))
    shares = {"within_5pct": 1.0, "within_10pct": 1.0, "mape": 0.0, "spearman": 1.0}
    print_predictor({"kind": "regression", "samples": 1000, "noise_floor": 0.011, **shares})
    assert lines_of(capsys)[-1] == "  Spearman 1.000"


def test_the_runs_of_seeds(tmp_path: Path, capsys: Printed) -> None:
    metric = "bits_per_character"
    runs = [{"run": f"{LONG * 2}-seed{seed}", "best": network(metric)} for seed in range(2)]
    print_seeds({"metric": metric, "mean": 2.3, "spread": 0.1, "runs": runs}, tmp_path)
    assert any("~0.0246 ms ± 40.7%" in line for line in lines_of(capsys))


def test_the_trials_of_a_retraining(capsys: Printed) -> None:
    metric = "bits_per_character"
    trial = {
        "trial": 0, "id": "5023733a1b", "start": "inherited", "augmentation": "default", "distillation": 1.0,
        "learning_rate": 0.00123, "weight_decay": 0.0003, "epochs": 120, "planned_epochs": 120, metric: 2.3,
    }  # fmt: skip
    winner = {
        "id": "5023733a1b", "start": "inherited", "trial": 0, "delivered": False, "before": 2.0, "after": 2.1,
    }  # fmt: skip
    print_retraining({"run": LONG, "metric": metric, "trials": [trial], "retrained": winner})
    assert any(line.endswith("0.0012 3.0e-04 120/120     2.300") for line in lines_of(capsys))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_ranking_of_runs(count: int, capsys: Printed) -> None:
    estimate = {"value": -0.123, "low": -0.45, "high": -0.21}
    cost = {"rule": "similar", "within": estimate, "tau": estimate}
    record = {
        "count": 1000, "columns": ["accuracy"], "percent": True, "verdict": "words " * 30, "notes": [], "epochs": None,
        "tau": estimate, "sparse_tau": estimate, "weighted_tau": estimate, "ceiling": None,
        "costs": {"params": cost, "flops": cost}, "precision": {10: 0.5}, "regret": {1: 0.123456},
    }  # fmt: skip
    print_ranking({"runs": {f"{LONG}-{number}": record for number in range(count)}, "agreement": None})
    lines = lines_of(capsys)
    assert sum(line.count("-0.123 (-0.45 to -0.21)") for line in lines) == 7 * count


def test_names_and_their_meaning_are_whole(capsys: Printed) -> None:
    words = {"name": "mixture-of-supernets", "paper": "Mixture-of-supernets: " * 3, "summary": "words " * 9}
    print_listing([{**words, "family": "mixture"}] * 2)
    assert "mixture-of-supernets" in "\n".join(lines_of(capsys))


def test_a_sentence_is_wrapped_between_words_and_hangs(capsys: Printed) -> None:
    path = "/a/path/" * 12
    TextConsole().say(f"{'word ' * 20}{path} and\x1b[2J more", indent=2)
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first == "  " + ("word " * 15).rstrip() and second == "  " + ("word " * 5).rstrip()
    assert third == f"  {path}" and last == r"  and\x1b[2J more"


def test_news_of_a_stage_are_wrapped_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    RichProgress().say("word " * 40)
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setenv("FORCE_COLOR", "1")
    RichProgress().say("word " * 40)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("word") and len(line) <= 80 for line in lines)


def test_the_dashboard_of_a_study_is_named_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "a run")
    monkeypatch.setattr("nas.cli.dashboard.find_spec", lambda name: name)
    assert dashboard_command(folder) is None
    folder.path.mkdir()
    folder.study.touch()
    assert dashboard_command(folder) == f"optuna-dashboard 'sqlite:///{folder.study}'"
    monkeypatch.setattr("nas.cli.dashboard.find_spec", lambda name: None)
    assert dashboard_command(folder) is None
