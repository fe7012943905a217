import base64
import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from outline import Outline
from plotly.offline import get_plotlyjs_version

from nas.errors import UsageError
from nas.report import ReportContent, write_report
from nas.report.search_page import page, render_report

Changed = Callable[..., ReportContent]


def hostile(value: Any, poison: str) -> Any:
    """The value with the poison put behind every text in it, also behind the keys that users name."""
    if isinstance(value, str):
        return value + poison
    if isinstance(value, list):
        return [hostile(part, poison) for part in value]
    return {name: hostile(part, poison) for name, part in value.items()} if isinstance(value, dict) else value


def test_page_is_whole_and_needs_no_network(content: ReportContent) -> None:
    text = render_report(content)
    outline = Outline(text)
    assert len(outline.figures) == 3
    assert "default-src 'none'" in text and len(text) < 1_000_000
    assert not re.search(r"https?:|url\(|@import|<script src", text)
    for said in ("demo", "Batch norm was recalibrated.", "80.00%", "−5 points", "47.5% of the largest", "nas run"):  # noqa: RUF001
        assert said in outline.text


def test_the_script_of_the_figures_is_the_one_that_they_are_checked_against() -> None:
    packed = re.search(r'id="plotly">([^<]*)<', page("", {}, (), "", ()))
    assert packed is not None
    script = gzip.decompress(base64.b64decode(packed[1])).decode()
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version().partition('.')[0]}." in script
    assert "Licensed under the MIT license" in script


def test_texts_of_users_never_become_markup(changed: Changed, content: ReportContent) -> None:
    poison = "</script><script>alert(1)</script><b a='\"&lt;$title"
    candidates = content.candidates.assign(id=poison, architecture=json.dumps({poison: poison}))
    poisoned = changed(
        title=poison,
        summary=hostile(content.summary, poison) | {"versions": {poison: poison}, "seconds": {poison: 1.0, "b": 2.0}},
        best={**content.best, "architecture": {poison: poison}},
        front=[{**network, "architecture": {poison: poison}} for network in content.front],
        candidates=candidates,
        random=content.random.assign(id=poison),
        epochs=[{**epoch, f"loss_{poison}": 1.0} for epoch in content.epochs],
        blocks=[
            hostile(block, poison) | {"choices": dict.fromkeys(block["choices"], poison)} for block in content.blocks
        ],
        notes=[poison],
    )
    outline = Outline(render_report(poisoned))
    assert outline.tags == Outline(render_report(content)).tags
    assert outline.text.count("alert(1)") > 10
    names = [trace["name"] for figure in outline.figures for trace in figure["data"]]
    assert any("alert(1)" in name for name in names) and not any("<" in name for name in names)


def test_equal_content_gives_equal_pages(content: ReportContent, changed: Changed) -> None:
    assert render_report(content) == render_report(changed())


def test_unusual_metric_names_are_escaped_everywhere(changed: Changed, content: ReportContent) -> None:
    odd = "<i>score"
    page = render_report(
        changed(
            metric=odd,
            best={**content.best, odd: 3.0},
            largest={**content.largest, odd: 4.0},
            candidates=content.candidates.rename(columns={"accuracy": odd}),
            random=pd.DataFrame(),
        )
    )
    assert odd not in page and "&lt;i&gt;score" in page


NOTHING: dict[str, dict[str, Any]] = {
    "no random draws": {"random": pd.DataFrame()},
    "no epochs": {"epochs": []},
    "no blocks": {"blocks": []},
    "no front": {"front": []},
    "no candidates": {"candidates": pd.DataFrame(), "random": pd.DataFrame(), "front": []},
    "no summary": {"summary": {}, "notes": []},
    "only scores": {"best": {"accuracy": 0.5}, "largest": {"accuracy": None}, "front": [{"accuracy": 0.5}]},
    "another cost": {"cost": "flops"},
}


@pytest.mark.parametrize("name", NOTHING)
def test_missing_parts_still_make_a_page(changed: Changed, name: str) -> None:
    text = Outline(render_report(changed(**NOTHING[name]))).text
    assert "How to reproduce" in text
    assert not re.search(r"\bnan\b|\bNone\b|NaN", text)


def test_one_candidate_without_latency(changed: Changed, content: ReportContent) -> None:
    one = content.candidates.head(1).assign(latency_ms=np.nan, feasible=True)
    unmeasured = {**content.best, "latency_ms": None}
    page = changed(candidates=one, random=pd.DataFrame(), front=[unmeasured], best=unmeasured, largest=unmeasured)
    outline = Outline(render_report(page))
    assert "No network has both a score and a cost." in outline.text and len(outline.figures) == 1


def test_nothing_feasible_is_said(changed: Changed, content: ReportContent) -> None:
    page = render_report(changed(candidates=content.candidates.assign(feasible=False), random=pd.DataFrame()))
    assert "No feasible candidate was evaluated." in page


def test_history_compares_at_the_same_number_of_evaluations(content: ReportContent) -> None:
    text = Outline(render_report(content)).text
    assert "after 40 evaluations" in text and f"After {len(content.random)}, random draws are expected" in text


def test_file_is_replaced_whole(content: ReportContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run" / "report.html"
    assert write_report(path, content) == path
    assert path.read_text("utf-8") == render_report(content)
    assert os.listdir(path.parent) == ["report.html"]  # noqa: PTH208
    monkeypatch.setattr("nas.report.search_page.render_report", lambda content: "\ud800")  # cannot be encoded
    with pytest.raises(UnicodeEncodeError):
        write_report(path, content)
    assert path.read_text("utf-8").endswith("</html>\n")


def test_bad_input_is_refused_with_a_sentence(changed: Changed, content: ReportContent, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cost 'latency' is not known; did you mean 'latency_ms'\?"):
        changed(cost="latency")
    with pytest.raises(UsageError, match="table 'candidates' lacks the column 'pareto'"):
        changed(candidates=content.candidates.drop(columns="pareto"))
    with pytest.raises(UsageError, match="network 'best' lacks 'accuracy'"):
        changed(best={})
    with pytest.raises(UsageError, match="is a folder"):
        write_report(tmp_path, content)


def test_a_page_of_a_minimised_metric_tells_it_as_such(minimised: ReportContent, content: ReportContent) -> None:
    text = Outline(render_report(minimised)).text
    best = 3 - content.candidates[content.candidates["feasible"]]["accuracy"].max()
    for said in (
        "Bits per character2.200",
        "95% interval 2.190 to 2.210",
        "+0.05 to the largest (2.150)",
        "Test bits per character2.210",
        "Bits per character: less is better.",
        f"Best feasible bits per character after 40 evaluations: {best:.3f}.",
        "1,200 windows/s in the median.",
    ):
        assert said in text, said
    assert "ccuracy" not in text and "points" not in text
    assert "less is better" not in Outline(render_report(content)).text
