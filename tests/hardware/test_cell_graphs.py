"""What a runtime makes of a cell, against running it and against a slow count of its graph."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from small_models import Fed, same
from torch import Tensor, nn

import nas
from nas.hardware import Catalogue, feature_table
from nas.hardware.cell_graphs import graph_columns, graph_table
from nas.nn import Cell, OneOf, Repeat, Zero
from nas.space import Choice
from search_spaces.nasbench201 import EDGES, OPERATIONS, nasbench201

SHAPE = (3, 6, 6)


def conv(kernel: int) -> nn.Conv2d:
    return nn.Conv2d(3, 3, kernel, padding=kernel // 2)


def operations() -> dict[str, nn.Module]:
    return {"none": Zero(), "skip": nn.Identity(), "small": conv(1), "large": conv(3)}


def random_cell(seed: int) -> tuple[Cell, Mapping[tuple[int, int], Choice]]:
    """A cell of random edges with one or two inputs and either output, and the choice of each edge."""
    rng = np.random.default_rng(seed)
    inputs, nodes, output = int(rng.integers(1, 3)), 4, ("last", "concat")[int(rng.integers(2))]
    edges = [(source, node) for node in range(inputs, nodes) for source in range(node) if rng.random() < 0.7]
    edges += [(node - 1, node) for node in range(inputs, nodes) if (node - 1, node) not in edges]
    choices = {edge: Choice(["none", "skip", "small", "large"], name="edge{}{}".format(*edge)) for edge in edges}
    cell = Cell({edge: OneOf(operations(), choice) for edge, choice in choices.items()}, inputs, output)  # type: ignore[arg-type]
    return cell, choices


def carriers(cell: Cell, x: Tensor) -> tuple[set[int], set[int]]:
    """The nodes that depend on the input and those that the output depends on, by perturbing values."""
    torch.manual_seed(0)
    for parameter in cell.parameters():
        parameter.data.normal_()

    def run(x: Tensor, bump: int | None = None) -> tuple[list[Tensor], Tensor]:
        nodes = [x] * cell.inputs
        if bump is not None and bump < cell.inputs:
            nodes[bump] = nodes[bump] + 1.37
        for node in range(cell.inputs, cell.nodes):
            nodes.append(sum(cell.edge(s, t)(nodes[s]) for s, t in cell.edges if t == node))
            if node == bump:
                nodes[node] = nodes[node] + 1.37
        return nodes, nodes[-1] if cell.output == "last" else torch.cat(nodes[cell.inputs :], 1)

    plain, output = run(x)
    torch.testing.assert_close(output, cell(*[x] * cell.inputs))
    other, _ = run(x + torch.randn_like(x))
    reached = {node for node in range(cell.nodes) if not torch.allclose(plain[node], other[node])}
    needed = {node for node in range(cell.nodes) if not torch.allclose(run(x, node)[1], output)}
    return reached, needed


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
def test_reach_is_what_perturbed_values_show(seed: int) -> None:
    cell, choices = random_cell(seed)
    supernet = nas.Supernet(Fed(cell, *[same] * cell.inputs))
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    for number in range(40):
        architecture = supernet.space.sample((seed, number))
        supernet.activate(architecture)
        zero = np.array([[architecture[choices[edge].name] == "none" for edge in cell.edges]])
        reached, needed = (set(np.flatnonzero(flags[0])) for flags in cell.reach(zero))
        assert (reached, needed) == carriers(cell, x)


def slow_row(cell: Cell, picked: Mapping[tuple[int, int], str], cost: Mapping[str, float]) -> dict[str, float]:
    """The numbers of one cell by walking its graph."""
    used = {edge for edge in cell.edges if picked[edge] != "none"}
    reached = set(range(cell.inputs))
    for source, node in sorted(used, key=lambda edge: edge[1]):
        if source in reached:
            reached.add(node)
    needed = {cell.nodes - 1} if cell.output == "last" else set(range(cell.inputs, cell.nodes))
    for source, node in sorted(used, key=lambda edge: -edge[1]):
        if node in needed:
            needed.add(source)
    live = {(s, t) for s, t in used if s in reached and t in needed}
    constant = {(s, t) for s, t in used if s not in reached and t in needed}
    heavy = {edge for edge in live if picked[edge] not in ("skip", "avg_pool_3x3")}
    light = {edge for edge in live - heavy if cost[picked[edge]] > 0}
    disturbing = [edge for edge in constant if edge[1] in reached]
    entering = [sum(1 for edge in live if edge[1] == node) for node in range(cell.nodes)]
    leaving = [sum(1 for edge in light if edge[0] == node) for node in range(cell.nodes)]
    return {
        "live cost": sum(cost[picked[edge]] for edge in live),
        "constant cost": sum(cost[picked[edge]] for edge in constant),
        "connected": float(bool(live)),
        "edges": len(live),
        "merges": sum(max(0, each - 1) for each in entering),
        "sources": len({source for source, _ in heavy}),
        "targets": len({node for _, node in heavy}),
        "repeats": sum(max(0, each - 1) for each in leaving),
        "constants": len(disturbing),
        "nodes with constants": len({node for _, node in disturbing}),
    }


def costs_of(catalogue: Catalogue, cell: Cell) -> tuple[np.ndarray, dict[str, float]]:
    """A value of its own for every block, 0 for a skip, and the same by the name of the operation."""
    kinds = {1: "small", 3: "large"}
    values, cost = np.zeros((len(catalogue.blocks), 1)), {"none": 0.0, "skip": 0.0}
    for number, block in enumerate(catalogue.blocks):
        if isinstance(block.module, nn.Conv2d):
            values[number] = 2.0**number
            cost[kinds[block.module.kernel_size[0]]] = 2.0**number
    return values, cost


@pytest.mark.parametrize("seed", range(6))
def test_sums_of_random_cells_equal_a_slow_walk(seed: int) -> None:
    cell, choices = random_cell(seed)
    supernet = nas.Supernet(Fed(cell, *[same] * cell.inputs))
    catalogue = Catalogue(supernet, SHAPE)
    values, cost = costs_of(catalogue, cell)
    table = graph_table(catalogue, ["cost"], values)
    assert table.columns == tuple(graph_columns(["cost"]))
    drawn = [supernet.space.sample((seed, number)) for number in range(200)]
    rows = table(supernet.space.indices(drawn))
    for architecture, row in zip(drawn, rows, strict=True):
        picked = {edge: architecture[choice.name] for edge, choice in choices.items()}
        assert dict(zip(table.columns, row, strict=True)) == slow_row(cell, picked, cost)


def test_every_cell_of_nasbench201_equals_a_slow_walk() -> None:
    supernet = nas.Supernet(nasbench201((1, 8, 8), 5, width=4, cells=1))
    catalogue = Catalogue(supernet, (1, 8, 8))
    cell = supernet.model.get_submodule("cell0_0")
    assert isinstance(cell, Cell)
    # one unit for each run of a pooling or a convolution, so that all three cells count alike
    kinds = ("AvgPool2d", "Sequential")
    values = np.array(
        [[float(type(each.module).__name__ in kinds and "cell" in each.path)] for each in catalogue.blocks]
    )
    table = graph_table(catalogue, ["cost"], values)
    every = np.array(list(itertools.product(range(5), repeat=6)))
    rows = table(every)
    cost = {"none": 0.0, "skip_connect": 0.0, "avg_pool_3x3": 1.0, "nor_conv_1x1": 1.0, "nor_conv_3x3": 1.0}
    order = [list(supernet.space.choices).index("edge_{}_{}".format(*edge)) for edge in EDGES]
    for indices, row in zip(every, rows, strict=True):
        names = [OPERATIONS[indices[place]] for place in order]
        picked = {edge: "skip" if name == "skip_connect" else name for edge, name in zip(EDGES, names, strict=True)}
        expected = slow_row(cell, picked, {**cost, "skip": 0.0})
        assert row.tolist() == [3 * expected[name] for name in table.columns]


def live_convolutions(supernet: nas.Supernet, catalogue: Catalogue) -> list[float]:
    table = feature_table(catalogue).part(["live flops"])
    sums: list[float] = table(supernet.space.indices(list(supernet.space)))[:, 0].tolist()
    return sums


def shallow_cell(choice: Choice) -> Cell:
    return Cell({(0, 1): OneOf({"none": Zero(), "large": conv(3)}, choice)})


def test_cells_that_are_not_run_do_not_count() -> None:
    tie, once = Choice(["none", "large"], name="tie"), 2 * 3 * 3 * 9 * 36
    cells = [shallow_cell(tie), shallow_cell(tie), shallow_cell(tie)]
    repeated = nas.Supernet(nn.Sequential(Repeat(cells, Choice([1, 2, 3], name="depth"))))
    expected = [each["depth"] * once if each["tie"] == "large" else 0 for each in repeated.space]
    assert live_convolutions(repeated, Catalogue(repeated, SHAPE)) == expected
    chosen = nas.Supernet(
        nn.Sequential(
            shallow_cell(tie),
            OneOf({"skip": nn.Identity(), "cell": shallow_cell(tie)}, Choice(["skip", "cell"], name="which")),
        )
    )
    expected = [(1 + (each["which"] == "cell")) * once if each["tie"] == "large" else 0 for each in chosen.space]
    assert live_convolutions(chosen, Catalogue(chosen, SHAPE)) == expected
    edges = feature_table(Catalogue(chosen, SHAPE)).part(["edges"])(chosen.space.indices(list(chosen.space)))
    assert (edges[:, 0] * once).tolist() == expected


def test_edges_with_nested_choices_and_edges_without_any_count() -> None:
    kernel = Choice([1, 3], name="kernel")
    elastic = nas.nn.Conv2d(3, 3, kernel, padding=kernel // 2)
    nested = OneOf(
        {"none": Zero(), "elastic": elastic, "either": OneOf([conv(1), conv(3)], Choice([0, 1], name="inner"))},
        Choice(["none", "elastic", "either"], name="outer"),
    )
    dead = Cell(
        {
            (0, 1): nested,
            (0, 2): conv(1),
            (1, 2): OneOf({"none": Zero(), "skip": nn.Identity()}, Choice(["none", "skip"], name="last")),
        }
    )
    supernet = nas.Supernet(nn.Sequential(dead))
    size = {1: 2 * 9 * 36, 3: 2 * 9 * 9 * 36}

    def inside(each: Mapping[str, Any]) -> int:
        if each["last"] == "none" or each["outer"] == "none":
            return 0
        return size[each["kernel"]] if each["outer"] == "elastic" else size[(1, 3)[each["inner"]]]

    expected = [size[1] + inside(each) for each in supernet.space]
    assert live_convolutions(supernet, Catalogue(supernet, SHAPE)) == expected


def test_cells_of_too_many_combinations_are_left_out() -> None:
    edges = {(source, node): OneOf(operations()) for node in range(1, 5) for source in range(node)}
    wide = {edge: each for edge, each in edges.items() if edge != (0, 4)}
    catalogue = Catalogue(nas.Supernet(nn.Sequential(Cell(wide))), SHAPE)
    assert graph_table(catalogue, ["cost"], np.ones((len(catalogue.blocks), 1))).blocks == []
    assert "connected" not in feature_table(catalogue).columns
