"""Derivation rules on hand-made probabilities; tables of right and wrong arguments."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from nas.errors import UsageError
from nas.nn import Cell, OneOf, Zero
from nas.search import collapse_warning, derive, entropy, longest_path, threshold
from nas.search.derivation import group_of
from nas.space import Architecture, Choice, Condition, Space, Subset
from nas.supernet import Supernet

OPERATIONS = ["none", "skip", "conv"]
NONE = (True, False, False)
FREE = (True, True, False)
EDGES = ["cell.edge_0_2", "cell.edge_1_2", "cell.edge_0_3", "cell.edge_1_3", "cell.edge_2_3"]


def held(subset: str, choice: Subset, element: int) -> tuple[tuple[Condition, ...], ...]:
    indices = frozenset((i,) for i, candidate in enumerate(choice.candidates) if element in candidate)
    return ((Condition((subset,), indices),),)


def cell(kept: int = 2) -> tuple[Space, dict[str, tuple[object, ...]], dict[str, tuple[bool, ...]]]:
    """Two inputs and two inner nodes; node 2 keeps both of its edges, node 3 keeps ``kept`` of three."""
    nodes = {"cell.node_2": Subset([0, 1], 2), "cell.node_3": Subset([0, 1, 2], kept)}
    uses = {}
    for name in EDGES:
        source, node = map(int, name.split("_")[1:])
        uses[name] = held(f"cell.node_{node}", nodes[f"cell.node_{node}"], source)
    space = Space({**nodes, **dict.fromkeys(EDGES, OPERATIONS)}, uses)
    options = {name: nodes[name].options if name in nodes else tuple(OPERATIONS) for name in space.choices}
    return space, options, dict.fromkeys(EDGES, NONE)


def learnt(**best: float) -> dict[str, list[float]]:
    """On each edge conv has the given probability, 0.2 by default, and none has what skip leaves."""
    found = {}
    for name in EDGES:
        conv = best.get(name.removeprefix("cell."), 0.2)
        found[name] = [1 - conv - 0.05, 0.05, conv]
    return found


@pytest.mark.parametrize("difference", [0.01, 1e-9])
def test_none_is_passed_over_however_likely_it_is(difference: float) -> None:
    probabilities = {"edge": [0.9, 0.05 - difference, 0.05]}
    space = Space({"edge": OPERATIONS})
    assert derive(space, probabilities)["edge"] == "none"
    assert derive(space, probabilities, banned={"edge": NONE})["edge"] == "conv"


def test_a_banned_option_is_not_taken_where_all_others_weigh_nothing() -> None:
    assert derive(Space({"edge": OPERATIONS}), {"edge": [1.0, 0.0, 0.0]}, banned={"edge": NONE})["edge"] == "skip"


def test_of_equal_options_the_first_is_taken() -> None:
    space, options, banned = cell()
    uniform = {name: np.full(3, 1 / 3) for name in EDGES}
    found = derive(space, uniform, options=options, banned=banned)
    assert found["cell.node_3"] == (0, 1)
    assert {found[name] for name in found if "edge" in name} == {"skip"}


def test_a_node_keeps_the_edges_with_the_strongest_operations() -> None:
    """The likeliest none must not strengthen an edge: 0_3 is the strongest by none, the weakest without it."""
    space, options, banned = cell()
    found = derive(space, learnt(edge_0_3=0.1, edge_1_3=0.3, edge_2_3=0.4), options=options, banned=banned)
    assert found["cell.node_2"] == (0, 1)
    assert found["cell.node_3"] == (1, 2)
    assert "cell.edge_0_3" not in found and found["cell.edge_2_3"] == "conv"


def test_nothing_outside_of_what_may_be_selected_is_derived() -> None:
    space, options, banned = cell()
    probabilities = learnt(edge_0_3=0.1, edge_1_3=0.3, edge_2_3=0.4)
    candidates = space.choices["cell.node_3"]
    within = {"cell.edge_1_3": [0, 1], "cell.node_3": [candidates.index((0, 1)), candidates.index((0, 2))]}
    found = derive(space, probabilities, options=options, banned=banned, within=within)
    assert found["cell.node_3"] == (0, 2) and found["cell.edge_2_3"] == "conv"
    found = derive(space, probabilities, options=options, banned=banned, within={"cell.edge_1_2": [0, 1]})
    assert found["cell.edge_1_2"] == "skip" and found["cell.edge_0_2"] == "conv"
    everything = {name: range(len(each)) for name, each in space.choices.items()}
    assert derive(space, probabilities, options=options, within=everything) == derive(
        space, probabilities, options=options
    )
    with pytest.raises(UsageError, match=r"every option of choice 'cell.edge_0_3' that may be selected is banned"):
        derive(space, probabilities, options=options, banned=banned, within={"cell.edge_0_3": [0]})


def test_an_option_outside_is_not_taken_where_all_others_weigh_nothing() -> None:
    assert derive(Space({"edge": OPERATIONS}), {"edge": [1.0, 0.0, 0.0]}, within={"edge": [2]})["edge"] == "conv"


def test_edge_weights_multiply_the_strength_of_operations() -> None:
    """0.5 x 0.2 and 0.3 x 0.4 beat 0.2 x 0.45: neither weight alone says so."""
    space, options, banned = cell()
    probabilities = learnt(edge_0_3=0.2, edge_1_3=0.4, edge_2_3=0.45) | {"cell.node_3": [0.5, 0.3, 0.2]}
    assert derive(space, probabilities, options=options, banned=banned)["cell.node_3"] == (0, 1)
    one = derive(*cell(1)[:1], probabilities, options=cell(1)[1], banned=banned)
    assert one["cell.node_3"] == (1,)


@given(arrays(np.float64, (5, 3), elements=st.integers(1, 5)), arrays(np.float64, 3, elements=st.integers(1, 5)))
def test_kept_edges_are_the_best_by_brute_force(operations: np.ndarray, edges: np.ndarray) -> None:
    """Of all pairs of edges the kept pair has the largest product of scores, the first of equals."""
    space, options, banned = cell()
    probabilities = {**dict(zip(EDGES, operations, strict=True)), "cell.node_3": edges}
    scores = edges * operations[2:, 1:].max(axis=1)
    best = max(itertools.combinations(range(3), 2), key=lambda pair: scores[pair[0]] * scores[pair[1]])
    assert derive(space, probabilities, options=options, banned=banned)["cell.node_3"] == best


def test_choices_inside_an_operation_do_not_weaken_its_edge() -> None:
    space, options, _ = cell()
    inner = Condition(("cell.edge_1_3",), frozenset({(2,)}))
    nested = Space(
        {**space.choices, "cell.width": [1, 2]},
        {**space.uses, "cell.width": ((*space.uses["cell.edge_1_3"][0], inner),)},
    )
    probabilities = learnt(edge_0_3=0.3, edge_1_3=0.35, edge_2_3=0.4) | {"cell.width": [0.5, 0.5]}
    found = derive(nested, probabilities, options=options, banned=dict.fromkeys(EDGES, NONE))
    assert found["cell.node_3"] == (1, 2) and found["cell.width"] == 1


def test_edges_are_found_in_cells_that_are_there_under_a_condition_themselves() -> None:
    nodes = Subset([0, 1, 2], 1)
    there = Condition(("deep",), frozenset({(1,)}))
    uses = {f"e{i}": ((there, *held("node", nodes, i)[0]),) for i in range(3)} | {"node": ((there,),)}
    space = Space({"deep": [False, True], "node": nodes, **{f"e{i}": ["a", "b"] for i in range(3)}}, uses)
    probabilities = {"deep": [0, 1], "e0": [0.6, 0.4], "e1": [0.1, 0.9], "e2": [0.5, 0.5]}
    elements = {"node": nodes.options}
    assert dict(derive(space, probabilities, options=elements)) == {"deep": True, "node": (1,), "e1": "b"}
    assert dict(derive(space, probabilities | {"deep": [1, 0]}, options=elements)) == {"deep": False}


def test_the_edges_of_a_real_cell_are_found() -> None:
    """Two cells share their choices; the operations of node 3 sit one module below its edges."""
    nodes = {2: Subset([0, 1], 2, "node_2"), 3: Subset([0, 1, 2], 2, "node_3")}
    ends = [(int(name[10]), int(name[12])) for name in EDGES]
    choices = {end: Choice(OPERATIONS, name="edge_{}_{}".format(*end)) for end in ends}

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = self.cell(), self.cell()

        def cell(self) -> Cell:
            edges = {}
            for end, choice in choices.items():
                operations = {"none": Zero(), "skip": torch.nn.Identity(), "conv": torch.nn.Conv2d(1, 1, 1)}
                edges[end] = torch.nn.Sequential(OneOf(operations, choice=choice))
            return Cell(edges, inputs=2, kept=nodes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(x, self.first(x, x))

    supernet = Supernet(Two())
    banned = {name: NONE for name in supernet.space.choices if "edge" in name}
    probabilities = {
        name.removeprefix("cell."): values for name, values in learnt(edge_0_3=0.1, edge_1_3=0.3, edge_2_3=0.4).items()
    }
    found = derive(supernet.space, probabilities, options=supernet.options, banned=banned)
    assert found["node_2"] == (0, 1) and found["node_3"] == (1, 2)
    assert "edge_0_3" not in found and found["edge_2_3"] == "conv"
    supernet.activate(found)
    assert supernet(torch.ones(1, 1, 2, 2)).shape == (1, 1, 2, 2)


def test_a_space_that_was_read_from_json_derives_the_same() -> None:
    space, options, banned = cell()
    probabilities = learnt(edge_1_3=0.3, edge_2_3=0.4)
    again = derive(Space.from_json(space.to_json()), probabilities, options=options, banned=banned)
    assert again.id == derive(space, probabilities, options=options, banned=banned).id


def test_derivation_does_not_depend_on_array_or_list() -> None:
    space = Space({"edge": OPERATIONS, "one": [7]})
    given_as = [[0.1, 0.2, 0.7], (0.1, 0.2, 0.7), np.array([0.1, 0.2, 0.7], dtype=np.float32)]
    assert {derive(space, {"edge": each}).id for each in given_as} == {
        space.architecture({"edge": "conv", "one": 7}).id
    }


@pytest.mark.parametrize(
    ("candidates", "weights", "level", "taken"),
    [
        ([1, 2, 3], [0.5, 0.3, 0.2], 0.25, 2),
        ([3, 1, 2], [0.3, 0.5, 0.2], 0.25, 3),
        ([1, 2, 3], [0.5, 0.3, 0.2], 0.2, 3),
        ([1, 2, 3], [0.3, 0.4, 0.3], 0.9, 2),
        ([False, True], [0.4, 0.6], 0.5, True),
        ([False, True], [0.6, 0.4], 0.5, False),
        (["none", "block"], [0.5, 0.5], 0.5, "block"),
        ([True, False], [0.5, 0.5], 0.5, False),
    ],
)
def test_of_what_reaches_the_threshold_the_largest_is_taken(
    candidates: list[object], weights: list[float], level: float, taken: object
) -> None:
    found = derive(Space({"depth": candidates}), {"depth": weights}, rules={"depth": threshold(level)})
    assert dict(found) == {"depth": taken}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"probabilities": {"egde": [1, 0, 0]}}, "did you mean 'edge'"),
        ({"probabilities": {}}, "do not name choice 'edge'; give a weight for each of its 3"),
        ({"probabilities": {"edge": [0.5, 0.5]}}, r"has 3 options, but weights \(2,\)"),
        ({"probabilities": {"edge": [0.5, math.nan, 0.5]}}, "the training has diverged"),
        ({"probabilities": {"edge": [1.5, -0.5, 0.0]}}, "expected finite numbers of at least 0"),
        ({"probabilities": {"edge": [1, 0, 0]}, "banned": {"edge": [True] * 3}}, "every option of choice 'edge'"),
        ({"probabilities": {"edge": [1, 0, 0]}, "banned": {"edge": [True]}}, r"banned flags \(1,\)"),
        ({"probabilities": {"edge": [1, 0, 0]}, "banned": {"x": [True]}}, "banned options name 'x'"),
        ({"probabilities": {"edge": [1, 0, 0]}, "rules": {"x": threshold(1)}}, "rules name 'x'"),
    ],
)
def test_wrong_arguments_are_sentences(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        derive(Space({"edge": OPERATIONS}), **arguments)


def test_the_longest_path_is_not_the_greedy_one() -> None:
    """From node 0 the greedy step leads to 1 (0.6) and ends at 1.1; over 0 it is 0.4 + 0.9."""
    assert longest_path([[[0.4, 0.6]], [[0.9, 0.1], [0.2, 0.5]]]) == [0, 0, 0]
    assert longest_path([[[0.4, 0.6]], [[-math.inf, 0.1], [0.2, 0.5]]]) == [0, 1, 1]


def test_of_equally_long_paths_the_first_is_taken() -> None:
    assert longest_path([np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 2))]) == [0, 0, 0, 0]


@given(st.lists(st.integers(1, 3), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_longest_path_is_that_of_brute_force(widths: list[int], random: object) -> None:
    shapes = itertools.pairwise(widths)
    layers = [np.array([[random.randint(0, 4) for _ in range(b)] for _ in range(a)]) for a, b in shapes]  # type: ignore[attr-defined]

    def weight(path: tuple[int, ...]) -> int:
        return sum(int(layer[edge]) for layer, edge in zip(layers, itertools.pairwise(path), strict=True))

    assert tuple(longest_path(layers)) == max(itertools.product(*map(range, widths)), key=weight)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([], "are no grid"),
        ([np.ones((1, 2)), np.ones((3, 1))], r"\(1, 2\), \(3, 1\)\] are no grid"),
        ([np.ones(3)], "are no grid"),
        ([[[math.nan]]], "not a number or infinite"),
        ([[[-math.inf, 1.0]], [[1.0], [-math.inf]]], "no path leads through"),
    ],
)
def test_layers_that_hold_no_path_are_sentences(layers: list[object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        longest_path(layers)


def test_entropy_is_zero_when_decided_and_greatest_when_uniform() -> None:
    found = entropy({"one": [1.0, 0.0], "two": [0.5, 0.5], "ones": np.ones(8), "some": [0.9, 0.1]})
    assert (
        found["one"] == 0 and found["two"] == pytest.approx(math.log(2)) and found["ones"] == pytest.approx(math.log(8))
    )
    assert found["some"] == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    with pytest.raises(UsageError, match="all zero"):
        entropy({"edge": [0.0, 0.0]})


TWO_CELLS = Space(
    {
        f"{group}.edge_{edge}": ["none", "skip_connect", "avg_pool", "conv"]
        for group in ("normal", "reduce")
        for edge in range(4)
    }
    | {"width": [8, 16]}
)
TWO_FREE = {name: (True, True, True, False) for name in TWO_CELLS.choices if name != "width"} | {
    "width": (False, False)
}


def two_cells(normal: list[str], reduce: list[str]) -> Architecture:
    named = {f"normal.edge_{edge}": value for edge, value in enumerate(normal)}
    return TWO_CELLS.architecture(named | {f"reduce.edge_{edge}": v for edge, v in enumerate(reduce)} | {"width": 8})


def test_an_architecture_of_skips_alone_is_reported_with_their_share() -> None:
    skips = ["skip_connect"] * 3 + ["avg_pool"]
    sentence = collapse_warning(two_cells(skips, skips), TWO_FREE, TWO_CELLS)
    assert (
        sentence is not None and "none of its operations has weights (6 of 8 skip_connect, 2 of 8 avg_pool)" in sentence
    )


def test_one_collapsed_cell_is_named() -> None:
    skips = ["skip_connect"] * 4
    sentence = collapse_warning(two_cells(skips, ["conv", *skips[1:]]), TWO_FREE, TWO_CELLS)
    assert sentence is not None and "no operation has weights in normal (4 of 4 skip_connect)" in sentence
    assert "reduce" not in sentence


def test_one_operation_that_learns_in_each_cell_is_no_collapse() -> None:
    mostly = ["conv", "skip_connect", "none", "skip_connect"]
    assert collapse_warning(two_cells(mostly, mostly), TWO_FREE, TWO_CELLS) is None


@pytest.mark.parametrize("flags", [{}, {"a": (True, True), "b": (False, False)}])
def test_choices_that_are_not_between_learning_and_free_say_nothing(flags: dict[str, tuple[bool, ...]]) -> None:
    space = Space({"a": ["max", "avg"], "b": [3, 5]})
    assert collapse_warning(space.smallest(), flags, space) is None


def test_a_single_skipped_block_is_no_collapsed_cell() -> None:
    space = Space({"first.op": ["skip", "conv"], "second.op": ["skip", "conv"]})
    flags = dict.fromkeys(space.choices, (True, False))
    assert collapse_warning({"first.op": "skip", "second.op": "conv"}, flags, space) is None
    assert collapse_warning({"first.op": "skip", "second.op": "skip"}, flags, space) is not None


def test_only_active_operations_count_as_collapsed() -> None:
    space, options, banned = cell()
    flags = dict.fromkeys(EDGES, FREE)
    skips = {name: [0.0, 1.0, 0.0] for name in EDGES}
    hidden = skips | {"cell.edge_2_3": [0.0, 0.4, 0.6]}
    found = derive(space, hidden, options=options, banned=banned)
    assert "cell.edge_2_3" not in found
    assert collapse_warning(found, flags, space) is not None
    kept = derive(space, hidden | {"cell.node_3": [0.1, 0.1, 0.8]}, options=options, banned=banned)
    assert collapse_warning(kept, flags, space) is None


@pytest.mark.parametrize(
    ("name", "group"), [("normal.edge_0_1", "normal"), ("edge_0_1", ""), ("3.depth", ""), ("stages.0.depth", "stages")]
)
def test_choices_are_grouped_by_what_stands_before_the_first_dot(name: str, group: str) -> None:
    assert group_of(name) == group
