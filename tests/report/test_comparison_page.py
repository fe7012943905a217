"""The page that lays runs beside each other."""

from outline import Outline

from nas.report.comparison import ComparedRun, render_comparison

POISON = "</script><script>alert(1)</script>"


def run(name: str, accuracy: float) -> ComparedRun:
    best = {"accuracy": accuracy, "test_accuracy": accuracy - 0.01, "latency_ms": 1.0, "params": 1e5, "flops": 1e6}
    return ComparedRun(
        name, {"space": name, "method": name}, best, [best, {**best, "latency_ms": 0.5}, {"latency_ms": 1}]
    )


def test_fronts_networks_and_settings_are_there_and_text() -> None:
    plain = [run("a", 0.8), run("b", 0.7)]
    outline = Outline(render_comparison(plain, "accuracy", "latency_ms", {"seed": ["0", "1"]}, ["A note."]))
    (fronts,) = outline.figures
    assert [trace["x"] for trace in fronts["data"]] == [[0.5, 1.0], [1.0]] * 2
    assert all(said in outline.text for said in ("80.00%", "69.00%", "seed", "A note."))
    nasty = [run("a" + POISON, 0.8), run("b" + POISON, 0.7)]
    poisoned = Outline(render_comparison(nasty, "accuracy", "latency_ms", {"seed" + POISON: [POISON, "1"]}, [POISON]))
    assert poisoned.tags == outline.tags and poisoned.text.count("alert(1)") > 5


def test_equal_settings_and_unknown_figures_are_said() -> None:
    unknown = [ComparedRun(name, {}, {}, []) for name in "ab"]
    text = Outline(render_comparison(unknown, "accuracy", "flops", {}, [])).text
    assert "same settings" in text and "No architecture has both accuracy and FLOPs." in text and "nan" not in text
