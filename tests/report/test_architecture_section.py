import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import plotly.graph_objects as go
import pytest
from outline import Outline

from nas.errors import UsageError
from nas.report import ReportContent
from nas.report.architecture_figures import entropy_figure, probability_figures
from nas.report.architecture_html import architecture_section
from nas.report.architecture_records import MOST_EPOCHS, Change, changes, grouped, recorded, thinned
from nas.report.cells import cell_figure, derived_cells
from nas.report.search_page import render_report

Changed = Callable[..., ReportContent]

OPTIONS = {
    "normal.edge_0_2": ("skip", "conv"),
    "normal.edge_1_2": ("skip", "conv"),
    "normal.edge_0_3": ("skip", "conv"),
    "normal.node_3": ("0", "1"),
    "reduce.edge_0_2": ("skip", "conv", "pool"),
}


def record(sure: float, **derived: Any) -> dict[str, Any]:
    """Probabilities that give ``sure`` to the first option and share the rest."""
    rest = {name: (1 - sure) / (len(texts) - 1) for name, texts in OPTIONS.items()}
    probabilities = {name: [sure] + [rest[name]] * (len(texts) - 1) for name, texts in OPTIONS.items()}
    return {
        "probabilities": probabilities,
        "entropy": {name: -sum(p * math.log(p) for p in row if p) for name, row in probabilities.items()},
        "derived": {name: texts[0] for name, texts in OPTIONS.items()} | {"normal.node_3": [0]} | derived,
    }


@pytest.fixture
def relaxed(changed: Changed) -> ReportContent:
    records = [record(1 / 2), record(0.7), record(0.7, **{"normal.edge_0_2": "conv"}), record(1.0)]
    epochs = [{"epoch": place, "loss": 1.0, "architecture": each} for place, each in enumerate(records, start=1)]
    return changed(epochs=epochs, relaxation=OPTIONS)


@pytest.fixture
def altered(relaxed: ReportContent, changed: Changed) -> Changed:
    """The relaxed content with some fields replaced."""
    return lambda **fields: changed(**{"epochs": relaxed.epochs, "relaxation": relaxed.relaxation} | fields)


def traces(figure: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    assert figure is not None
    go.Figure(figure)  # raises on a key that Plotly does not know
    return {trace["name"]: trace for trace in figure["data"]}


def test_entropy_is_a_share_of_the_largest_by_group(relaxed: ReportContent) -> None:
    drawn = traces(entropy_figure(relaxed))
    assert list(drawn) == ["normal", "reduce", "all choices"]
    assert drawn["normal"]["x"] == [1, 2, 3, 4]
    assert (drawn["normal"]["y"][0], drawn["normal"]["y"][-1]) == (1.0, 0.0)
    reduction = (0.5 * math.log(2) + 0.5 * math.log(4)) / math.log(3)  # a half, a quarter and a quarter of three
    assert drawn["reduce"]["y"][0] == pytest.approx(reduction, abs=1e-5)
    assert drawn["all choices"]["y"][0] == pytest.approx((4 + reduction) / 5, abs=1e-5)  # a mean over choices


def test_one_group_is_one_line_and_a_choice_with_one_option_is_none(altered: Changed) -> None:
    options = {"edge_0_1": ("a", "b"), "edge_0_2": ("a",)}
    epochs = [{"epoch": 1, "architecture": {"entropy": {"edge_0_1": math.log(2), "edge_0_2": 0.0}}}]
    drawn = traces(entropy_figure(altered(epochs=epochs, relaxation=options)))
    assert {name: line["y"] for name, line in drawn.items()} == {"all choices": [1.0]}


def test_unknown_entropies_are_left_out(altered: Changed) -> None:
    epochs = [
        {"epoch": 1, "architecture": {"entropy": {"reduce.edge_0_2": math.nan}}},
        {"epoch": 2, "architecture": {"entropy": {"reduce.edge_0_2": math.log(3), "normal.node_3": None}}},
        {"epoch": 3, "loss": 1.0},
    ]
    drawn = traces(entropy_figure(altered(epochs=epochs)))
    assert list(drawn) == ["reduce", "all choices"] and drawn["all choices"]["x"] == [2]
    assert entropy_figure(altered(epochs=epochs[:1])) is None


def test_cells_and_kinds_of_choices_have_heat_maps_of_their_own(relaxed: ReportContent) -> None:
    figures = probability_figures(relaxed)
    assert list(figures) == ["normal, edge", "normal, node", "reduce, edge"]
    (edges,) = traces(figures["normal, edge"]).values()
    assert edges["y"] == ["edge_0_2", "edge_1_2", "edge_0_3"] and edges["x"] == ["skip", "conv"]
    assert edges["z"] == [[1.0, 0.0]] * 3  # of the last epoch
    (reduction,) = traces(figures["reduce, edge"]).values()
    assert reduction["x"] == ["skip", "conv", "pool"]


def test_the_slider_puts_each_epoch_into_the_heat_map(relaxed: ReportContent) -> None:
    figure = probability_figures(relaxed)["reduce, edge"]
    (slider,) = figure["layout"]["sliders"]
    assert [step["label"] for step in slider["steps"]] == ["1", "2", "3", "4"] and slider["active"] == 3
    assert slider["steps"][0]["method"] == "restyle"
    assert slider["steps"][0]["args"] == [{"z": [[[0.5, 0.25, 0.25]]]}, [0]]
    assert slider["steps"][3]["args"][0]["z"][0] == figure["data"][0]["z"]


def test_one_epoch_has_no_slider(relaxed: ReportContent, altered: Changed) -> None:
    one = altered(epochs=relaxed.epochs[:1])
    assert all("sliders" not in figure["layout"] for figure in probability_figures(one).values())
    assert "slider" not in Outline(architecture_section(one)).text


def test_options_that_a_choice_lacks_leave_gaps(altered: Changed) -> None:
    options = {"stage.0.kernel": ("3", "5"), "stage.1.kernel": ("5", "7")}
    shares = {"stage.0.kernel": [0.25, 0.75], "stage.1.kernel": [1.0, 0.0]}
    epochs = [{"epoch": 1, "architecture": {"probabilities": shares}}]
    figures = probability_figures(altered(epochs=epochs, relaxation=options))
    (trace,) = traces(figures["stage, kernel"]).values()
    assert trace["x"] == ["3", "5", "7"] and trace["y"] == ["0.kernel", "1.kernel"]
    assert trace["z"] == [[0.25, 0.75, None], [None, 1.0, 0.0]]


def test_more_groups_than_colours_are_one() -> None:
    names = [f"layer{place}.kernel" for place in range(7)]
    assert list(grouped(names[:6])) == [f"layer{place}" for place in range(6)]
    assert grouped(names) == {"": names}


@pytest.mark.parametrize(("epochs", "kept"), [(0, 0), (1, 1), (40, 40), (41, 40), (1000, 40)])
def test_long_histories_are_thinned_with_both_ends(epochs: int, kept: int) -> None:
    rows = [{"epoch": place} for place in range(epochs)]
    drawn = thinned(rows)
    assert len(drawn) == kept
    assert not rows or (drawn[0], drawn[-1]) == (rows[0], rows[-1])


def test_a_long_search_over_many_choices_stays_small(altered: Changed) -> None:
    texts = [f"operation_{place}" for place in range(8)]
    options = {f"{cell}.edge_{place % 5}_{place // 5 + 5}": texts for cell in ("a", "b") for place in range(14)}
    shares = {name: [place / 28 + 0.01234567] * 8 for place, name in enumerate(options)}
    epochs = [
        {
            "epoch": epoch,
            "architecture": {
                "probabilities": shares,
                "entropy": dict.fromkeys(options, 1.2345678),
                "derived": dict.fromkeys(options, texts[epoch % 8]),  # all of them change in each epoch
            },
        }
        for epoch in range(100)
    ]
    content = altered(epochs=epochs, relaxation=options)
    assert len(options) == 28 and len(architecture_section(content)) < 1_000_000
    assert "40 of 100 epochs are drawn" in architecture_section(content)
    for figure in probability_figures(content).values():
        assert len(figure["layout"]["sliders"][0]["steps"]) == MOST_EPOCHS
    entropy = entropy_figure(content)
    assert entropy is not None and len(entropy["data"][0]["x"]) == MOST_EPOCHS


def test_only_what_changed_is_told(relaxed: ReportContent) -> None:
    assert changes(recorded(relaxed)) == [
        Change(3, {"normal.edge_0_2": ("skip", "conv")}),
        Change(4, {"normal.edge_0_2": ("conv", "skip")}),
    ]
    text = Outline(architecture_section(relaxed)).text
    assert "Changed in 2 of 3 epochs after the first, last in epoch 4." in text
    assert "normal.edge_0_2 skip → conv" in text and "normal.edge_1_2 skip →" not in text


def test_choices_that_come_and_go_are_changes_and_a_tuple_is_its_list() -> None:
    derived: list[Any] = [{"a": "x", "node_2": (0, 1)}, {}, {"a": "x", "b": 3, "node_2": [0, 1]}, {"a": "x", "b": 3}]
    epochs = [{"epoch": place, "architecture": {"derived": each}} for place, each in enumerate(derived)]
    assert changes(epochs) == [Change(2, {"b": (None, 3)}), Change(3, {"node_2": ([0, 1], None)})]


def test_an_architecture_that_never_changed_is_said(relaxed: ReportContent, altered: Changed) -> None:
    same = altered(epochs=relaxed.epochs[:2])
    assert "The same in all 2 epochs that derived one." in Outline(architecture_section(same)).text
    one = altered(epochs=relaxed.epochs[:1])
    assert "One epoch derived one." in Outline(architecture_section(one)).text


def test_cells_are_read_from_the_names_and_keep_what_their_nodes_keep() -> None:
    derived = {
        "normal.edge_0_3": "skip",
        "normal.edge_2_3": "conv",
        "normal.edge_1_3": "pool",
        "normal.edge_0_2": "conv",
        "normal.node_3": [0, 2],
        "reduce.edge_0_2": "pool",
        "stem.kernel": 3,
    }
    normal, reduction = derived_cells(derived)
    assert normal.name == "normal"
    assert dict(normal.edges) == {(0, 2): "conv", (0, 3): "skip", (2, 3): "conv"}  # 1 is not kept
    assert (normal.nodes, normal.inputs) == ([0, 2, 3], [0])
    assert (reduction.name, dict(reduction.edges)) == ("reduce", {(0, 2): "pool"})  # another cell's node counts not
    (plain,) = derived_cells({"edge_0_1": "conv"})
    assert plain.name == ""


@pytest.mark.parametrize("name", ["stage.0.kernel", "edge_0", "my_edge_0_1", "edge_2_1", "edge_0_1.kernel"])
def test_other_names_are_no_cells(name: str) -> None:
    assert derived_cells({name: "conv"}) == []


def test_every_edge_of_a_cell_is_drawn_and_labelled_apart_from_the_others() -> None:
    edges = [(0, 2), (1, 2), (0, 3), (2, 3), (1, 4), (3, 4), (0, 5), (1, 5)]
    (cell,) = derived_cells({f"edge_{source}_{target}": f"op{source % 2}" for source, target in edges})
    figure = cell_figure(cell, ["op0", "op1"])
    drawn = traces(figure)
    assert list(drawn) == ["op0", "op1", "nodes"]
    assert drawn["nodes"]["text"] == [f"<b>{node}</b>" for node in range(6)]
    assert sum(line["x"].count(None) for line in drawn.values()) == len(edges)
    ends = {tuple(text.partition(":")[0].split(" → ")) for name in ("op0", "op1") for text in drawn[name]["text"]}
    assert ends == {(str(source), str(target)) for source, target in edges}
    labels = [(label["x"], label["y"]) for label in figure["layout"]["annotations"]]
    assert len(set(labels)) == len(edges)
    low, high = figure["layout"]["yaxis"]["range"]
    assert all(low < height < high for _, height in labels)


def test_arcs_end_at_their_nodes() -> None:
    (cell,) = derived_cells({"edge_0_1": "a", "edge_1_2": "a", "edge_0_2": "b"})
    arc = traces(cell_figure(cell, ["a", "b"]))["b"]
    assert (arc["x"][0], arc["y"][0]) == (0, 0) and (arc["x"][-2], arc["y"][-2]) == (2, 0)
    assert max(arc["y"][:-1]) == 1.0


def test_an_operation_looks_the_same_in_every_cell() -> None:
    operations = [f"op{place}" for place in range(8)]
    chains = {f"{cell}.edge_{place}_{place + 1}": name for cell in "ab" for place, name in enumerate(operations)}
    first, second = derived_cells({**chains, "b.edge_0_1": "op7"})  # the second lacks op0
    drawn, others = (traces(cell_figure(cell, operations)) for cell in (first, second))
    lines = {name: (trace["line"]["color"], trace["line"]["dash"]) for name, trace in drawn.items() if name != "nodes"}
    assert len(set(lines.values())) == 8 and "op0" not in others
    assert all((others[name]["line"]["color"], others[name]["line"]["dash"]) == lines[name] for name in operations[1:])


def test_a_place_is_as_high_as_its_heat_map(relaxed: ReportContent) -> None:
    section = architecture_section(relaxed)
    heights = [figure["layout"]["height"] for figure in probability_figures(relaxed).values()]
    assert [int(height) for height in re.findall(r'style="height:(\d+)px"', section)] == heights
    assert heights[0] - heights[1] == 2 * 26  # three choices and one


def test_the_page_shows_the_section_where_parameters_learnt(
    relaxed: ReportContent, altered: Changed, content: ReportContent
) -> None:
    delivered = record(1.0, **{"normal.edge_0_2": "conv"})["derived"]
    page = render_report(altered(best={**content.best, "architecture": delivered}))
    outline = Outline(page)
    assert architecture_section(relaxed) in page
    assert len(outline.figures) == 3 + 1 + 3 + 2  # entropy, probabilities, cells
    for said in ("Architecture parameters", "Cell: normal", "As delivered, with 3 edges; nodes 0 and 1 are the inputs"):
        assert said in outline.text
    identities = re.findall(r'id="([^"]+-plot)"', page)
    assert len(identities) == len(set(identities)) == len(outline.figures)
    assert "Architecture parameters" not in render_report(content)


@pytest.mark.parametrize("part", ["probabilities", "entropy", "derived"])
def test_a_missing_part_still_makes_a_section(relaxed: ReportContent, altered: Changed, part: str) -> None:
    epochs = [
        {**epoch, "architecture": {name: value for name, value in epoch["architecture"].items() if name != part}}
        for epoch in relaxed.epochs
    ]
    text = Outline(architecture_section(altered(epochs=epochs))).text
    assert {"probabilities": "Probabilities:", "entropy": "The mean over", "derived": "Changes of"}[part] not in text
    assert not re.search(r"\bnan\b|\bNone\b|NaN", text)


def test_nothing_recorded_is_said(altered: Changed, content: ReportContent) -> None:
    assert "No epoch recorded the architecture parameters." in architecture_section(altered(epochs=content.epochs))


def test_texts_of_users_never_become_markup(relaxed: ReportContent, altered: Changed) -> None:
    poison = "</script><script>alert(1)</script><b a='\"&lt;$title"

    def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
        return {poison + name: value for name, value in values.items()}

    epochs = [
        {**epoch, "architecture": {part: renamed(values) for part, values in epoch["architecture"].items()}}
        for epoch in relaxed.epochs
    ]
    for epoch in epochs:
        derived = epoch["architecture"]["derived"]
        derived |= {name: value + poison for name, value in derived.items() if isinstance(value, str)}
    relaxation = {poison + name: [text + poison for text in texts] for name, texts in OPTIONS.items()}
    plain, nasty = (
        {**relaxed.best, "architecture": each[-1]["architecture"]["derived"]} for each in (relaxed.epochs, epochs)
    )
    outline = Outline(render_report(altered(epochs=epochs, relaxation=relaxation, best=nasty)))
    assert outline.tags == Outline(render_report(altered(best=plain))).tags and outline.text.count("alert(1)") > 10
    for figure in outline.figures[3:]:
        texts = json.dumps(figure)
        assert "alert(1)" in texts and "<b a" not in texts and "<script" not in texts


@pytest.mark.parametrize(
    ("part", "value", "complaint"),
    [
        (
            "probabilities",
            {"normal.node_3": [1.0]},
            "epoch 7 has 1 probabilities of the choice 'normal.node_3'; give .* 2",
        ),
        ("probabilities", {"odd": [1.0]}, "epoch 7 has probabilities of the choice 'odd', whose options are not told"),
        ("entropy", {"odd": 1.0}, "epoch 7 has entropy of the choice 'odd', whose options are not told"),
    ],
)
def test_records_that_do_not_fit_the_options_are_refused(
    altered: Changed, part: str, value: Any, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        altered(epochs=[{"epoch": 7, "architecture": {part: value}}])
