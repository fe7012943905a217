"""The page about a ranking."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from outline import Outline

from nas.errors import UsageError
from nas.report.ranking import RankingContent, render_ranking_report, write_ranking_report
from nas.report.ranking_content import measures
from nas.report.ranking_figures import epoch_figure, measure_figure, truth_figure

Make = Callable[..., RankingContent]


def estimate(value: float | None) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if value is None else value - 0.1,
        "high": None if value is None else value + 0.2,
    }


RECORD: dict[str, Any] = {
    "verdict": "The supernet ranks worse than FLOPs alone.",
    "count": 30,
    "trainings": 2,
    "tau": estimate(0.5),
    "sparse_tau": estimate(0.55),
    "weighted_tau": estimate(-0.4),
    "precision": {"1": 0.0, "5": 0.4, "10": 0.7},
    "regret": {"1": 1.25, "5": 0.5, "10": 0.0},
    "best_rank": {"1": 7.0, "5": 3.0, "10": 1.0},
    "better_than_random": 0.11,
    "costs": {
        "flops": {"tau": estimate(0.6), "gain": estimate(-0.1), "within": estimate(0.2), "rule": "equal", "strata": 4},
        "params": {"tau": estimate(0.3), "gain": estimate(0.2), "within": estimate(None), "rule": "bins", "strata": 5},
    },
    "ceiling": estimate(0.8),
    "judgeable": True,
    "metric": "accuracy",
    "columns": ["test_acc"],
    "percent": False,
    "maximise": True,
    "epochs": {
        "epoch": [8, 9, 10],
        "tau": [0.4, 0.6, 0.5],
        "consecutive": [0.7, 0.9],
        "agreement": {"mean": 0.77, "spread": 0.1, "deviation": 0.0123},
    },
    "notes": ["Sparse tau rounds test_acc down."],
}


def rows(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"score": np.sort(rng.uniform(0.5, 0.9, count))[::-1], "truth": rng.uniform(90, 95, count)})
    table["score_rank"] = np.arange(count) + 1
    table["truth_rank"] = table["truth"].rank(ascending=False).astype(int)
    table["flops"], table["params"] = rng.integers(1e6, 1e7, (2, count))
    table["id"] = [f"id{row}" for row in range(count)]
    return table.assign(architecture='{"kernel": 3}')


@pytest.fixture
def make() -> Make:
    """The content, with changes to the record."""

    def make(count: int = 30, **changes: Any) -> RankingContent:
        record = {**copy.deepcopy(RECORD), "count": count, **changes}
        return RankingContent(title="demo", summary={"space": "chain"}, record=record, table=rows(count))

    return make


def checked(figure: dict[str, Any] | None) -> dict[str, Any]:
    assert figure is not None
    go.Figure(figure)  # raises on a key that Plotly does not know
    return figure


def test_the_verdict_comes_first(make: Make) -> None:
    outline = Outline(render_ranking_report(make()))
    text = " ".join(outline.text.split())
    assert text.index("The supernet ranks worse") < text.index("Sparse tau rounds") < text.index("Tau of the supernet")
    for said in ("0.500", "95% interval 0.40 to 0.70", "Tau of FLOPs alone", "Tau within equal FLOPs", "70%"):
        assert said in text
    assert "1.25 worse than the best test_acc; 11% likely as good as the best of ten random draws" in text
    assert "rank alike with tau 0.77 on average; a score differs between them by 0.012 (standard deviation)" in text
    assert "Not known: tau within similar parameters." in text
    assert "equal FLOPs: of 4 values; similar parameters: of 5 quantiles" in text.replace("Equal", "equal")
    assert len(outline.figures) == 3


def test_a_truth_in_per_cent_is_shown_so(make: Make) -> None:
    """A column called accuracy that held 86.0 was drawn at 8600 %."""
    content = make(columns=["test_accuracy"], percent=True)
    frame = checked(truth_figure(content))["layout"]
    assert frame["xaxis"]["tickformat"] == ".1~%", "scores are shares"
    assert frame["yaxis"]["tickformat"] == "~g"
    assert frame["yaxis"]["title"]["text"] == "Trained alone (%)"
    assert "%{y:.4~g}" in checked(truth_figure(content))["data"][0]["hovertemplate"]
    text = " ".join(Outline(render_ranking_report(content)).text.split())
    assert "1.25 worse than the best test_accuracy (%)" in text
    shares = make(columns=["test_accuracy"])
    assert checked(truth_figure(shares))["layout"]["yaxis"]["tickformat"] == ".1~%"


def test_points_are_scores_against_truth_and_the_best_are_marked(make: Make) -> None:
    content = make()
    drawn = {trace["name"]: trace for trace in checked(truth_figure(content))["data"]}
    assert list(drawn) == ["architectures", "the 10 best by score", "best when trained alone"]
    top = drawn["the 10 best by score"]
    assert top["x"] == content.table["score"].tolist()[:10] and top["y"] == content.table["truth"].tolist()[:10]
    assert drawn["architectures"]["x"] == content.table["score"].tolist()[10:]
    assert drawn["best when trained alone"]["y"] == [content.table["truth"].max()]
    assert top["text"][1] == f"#id1: 2 by score, {content.table['truth_rank'][1]} in truth"


def test_many_points_are_thinned_but_never_the_best(make: Make) -> None:
    drawn = checked(truth_figure(make(9000)))["data"]
    assert len(drawn[0]["x"]) == 2997 and len(drawn[1]["x"]) == 10


def test_bars_are_the_measures_with_their_intervals(make: Make) -> None:
    (bars,) = checked(measure_figure(make()))["data"]
    found = dict(zip(bars["y"], bars["x"], strict=True))
    known = {name: each["value"] for name, each in measures(RECORD).items() if each and each["value"] is not None}
    assert found == known and "tau within similar parameters" not in found
    assert list(found)[-1] == "tau"  # Plotly draws the last at the top
    assert bars["error_x"]["array"] == pytest.approx([0.2] * len(found))
    assert bars["error_x"]["arrayminus"] == pytest.approx([0.1] * len(found))
    assert len(set(bars["marker"]["color"])) == 3


def test_epochs_are_drawn_where_there_are_any(make: Make) -> None:
    truth, before = checked(epoch_figure(make()))["data"]
    assert (truth["x"], truth["y"]) == ([8, 9, 10], [0.4, 0.6, 0.5])
    assert (before["x"], before["y"]) == ([9, 10], [0.7, 0.9])
    assert epoch_figure(make(epochs=None)) is None
    one = make(epochs={"epoch": [8], "tau": [0.4], "consecutive": [], "agreement": None})
    assert len(checked(epoch_figure(one))["data"]) == 1
    assert "rank alike with tau" not in render_ranking_report(one)
    assert len(Outline(render_ranking_report(make(epochs=None))).figures) == 2


def test_the_table_shows_the_ten_best_by_score_with_their_true_ranks(make: Make) -> None:
    content = make()
    page = render_ranking_report(content)
    body = page[page.index('<table id="top-table">') : page.index("</table>")]
    assert re.findall(r"<td>(id\d+)</td>", body) == [f"id{row}" for row in range(10)]
    shown = re.findall(
        r'<tr><td class="number" data-order="([^"]+)">\d+</td><td class="number" data-order="([^"]+)">', body
    )
    assert [(float(a), float(b)) for a, b in shown] == [
        (row.score_rank, row.truth_rank) for row in content.table.head(10).itertuples()
    ]
    assert f"{content.table['score'][0]:.2%}" in body and f"{content.table['truth'][0]:.6g}" in body


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"judgeable": None, "ceiling": None}, "trained once"),
        ({"judgeable": False}, "the truth cannot judge"),
        ({"costs": {}}, "Tau of the supernet"),
        ({"metric": "bits_per_character"}, "Bits per character with shared weights"),
    ],
)
def test_what_is_not_known_is_left_out(changes: dict[str, Any], said: str, make: Make) -> None:
    content = make(**changes)
    page = Outline(render_ranking_report(content))
    checked(measure_figure(content))
    assert said in page.text + str(page.figures)
    assert not re.search(r"\bnan\b|\bNone\b|NaN", page.text)


def test_three_architectures_fill_a_page(make: Make) -> None:
    tops = {name: {"1": RECORD[name]["1"]} for name in ("precision", "regret", "best_rank")}
    outline = Outline(render_ranking_report(make(3, **tops)))
    assert "Precision at 1" in outline.text and "the 3 best by score" in str(outline.figures)


def test_texts_of_users_never_become_markup(make: Make) -> None:
    poison = "</script><script>alert(1)</script><b a='\"&lt;$title"
    content = make()
    poisoned = RankingContent(
        title=poison,
        summary={"space": poison},
        record={
            **content.record,
            "costs": {poison: RECORD["costs"]["flops"], **RECORD["costs"]},
            "metric": poison,
            "columns": [poison],
            "verdict": poison,
            "notes": [poison],
        },
        table=content.table.assign(id=poison, architecture=poison),
    )
    outline = Outline(render_ranking_report(poisoned))
    assert outline.tags == Outline(render_ranking_report(content)).tags
    assert outline.text.count("alert(1)") > 20
    assert not re.search(r"<(?!/?(br|extra)>)", str([figure["data"] for figure in outline.figures]))


def test_the_page_is_one_file_with_equal_bytes(make: Make, tmp_path: Path) -> None:
    path = write_ranking_report(tmp_path / "new" / "ranking.html", make())
    assert path.read_text("utf-8") == render_ranking_report(make())
    with pytest.raises(UsageError, match="is a folder"):
        write_ranking_report(tmp_path, make())


def test_a_table_without_a_column_is_refused(make: Make) -> None:
    table = make().table.drop(columns="truth_rank")
    with pytest.raises(UsageError, match="the table of a ranking lacks the column 'truth_rank'; add it to every row"):
        RankingContent(title="demo", summary={}, record=RECORD, table=table)
