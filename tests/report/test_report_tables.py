import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from nas.report import ReportContent
from nas.report.drawing import architecture_drawing, time_bar
from nas.report.tables import MOST_ROWS, candidate_table, front_table

Changed = Callable[..., ReportContent]


def first_cells(table: str) -> list[str]:
    return re.findall(r"<tr><td>(.*?)</td>", table)


def test_candidates_are_shown_best_feasible_first(changed: Changed) -> None:
    rows = [(0, 0.9, False), (1, 0.5, True), (2, np.nan, True), (3, 0.7, True)]
    table = pd.DataFrame(rows, columns=["id", "accuracy", "feasible"]).assign(architecture="{}", pareto=False)
    html = candidate_table(changed(candidates=table))
    assert first_cells(html) == ["3", "1", "2", "0"]
    assert html.count('data-order=""') == 1 and "Latency" not in html


def test_candidates_with_the_least_come_first_where_less_is_better(minimised: ReportContent) -> None:
    rows = [(0, 1.9, False), (1, 2.5, True), (2, np.nan, True), (3, 2.25, True)]
    table = pd.DataFrame(rows, columns=["id", "bits_per_character", "feasible"]).assign(architecture="{}", pareto=False)
    html = candidate_table(dataclasses.replace(minimised, candidates=table))
    assert first_cells(html) == ["3", "1", "2", "0"]
    assert "<button>Bits per character</button>" in html and ">2.250<" in html


def test_many_candidates_are_cut_and_it_is_said(
    changed: Changed, content: ReportContent, table: Callable[[int, int], pd.DataFrame]
) -> None:
    many = candidate_table(changed(candidates=table(MOST_ROWS + 1, 0)))
    assert len(first_cells(many)) == MOST_ROWS
    assert "The best 500 of 501 candidates are shown." in many
    assert "are shown" not in candidate_table(content)


def test_front_is_ordered_by_cost_with_spread_and_interval(content: ReportContent) -> None:
    html = front_table(content)
    assert html.index("70.00%") < html.index("80.00%")
    assert "69.00% to 71.00%" in html and "± 1.1%" in html and "± 3.3%" in html
    assert "stage.kernel" in html and "Measured latency" not in html


def test_blocks_show_choices_shares_and_skips(content: ReportContent) -> None:
    html = architecture_drawing(content)
    assert html.count("<li") == 3 and html.count('<li class="skipped">') == 1
    assert "<b>kernel</b> 5" in html and "<b>kernel</b> 3" not in html
    assert "(90.3%)" in html and "width:70.00%" in html  # 4000 of 4432 parameters, the longest bar
    assert "16 \N{MULTIPLICATION SIGN} 8" in html


def test_blocks_without_costs_have_no_bars(changed: Changed) -> None:
    html = architecture_drawing(changed(blocks=[{"path": "head", "kind": "Linear", "params": 0, "flops": None}]))
    assert "head" in html and 'class="bar ' not in html


def test_time_bar_leaves_out_what_took_no_time() -> None:
    html = time_bar({"train": 75, "search": 25.0, "export": None, "profile": 0.0})
    assert "1 min 40 s in all" in html and "flex-grow:0.7500" in html
    assert "Export" not in html and "Profile" not in html
    assert time_bar({}) == ""
