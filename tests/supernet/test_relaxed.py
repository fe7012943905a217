"""A supernet with learned gates: what is drawn, what runs, what is shown, frozen and derived from."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import combinations

import pytest
import torch
from small_models import Fed, same
from torch import Tensor, nn

import nas
from nas.nn import Cell, Conv2d, OneOf, Repeat, Zero
from nas.space import Choice, Subset
from nas.supernet import GateWeights, Relaxed
from nas.supernet.relaxations import (
    BinaryGatePairs,
    BinaryGates,
    Concrete,
    Decision,
    GroupDropout,
    GumbelStraightThrough,
    Relaxation,
    SampledSizes,
    Softmax,
)

OPERATIONS = ("none", "skip", "small", "large")
X = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Counted(nn.Module):
    """An operation that counts its calls."""

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.operation, self.calls = operation, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        y: Tensor = self.operation(x)
        return y


def operations(choice: Choice) -> OneOf:
    kinds = (Zero(), nn.Identity(), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1))
    return OneOf({name: Counted(kind) for name, kind in zip(OPERATIONS, kinds, strict=True)}, choice)


def cells(count: int = 3) -> nas.Supernet:
    """Cells with the same three edges, of which the last node keeps one."""
    torch.manual_seed(0)
    choices = {edge: Choice(OPERATIONS, name="edge_{}_{}".format(*edge)) for edge in ((0, 1), (0, 2), (1, 2))}
    kept = Subset([0, 1], size=1, name="kept")
    stack = [Cell({edge: operations(each) for edge, each in choices.items()}, kept={2: kept}) for _ in range(count)]
    return nas.Supernet(nn.Sequential(*stack))


def elastic() -> nas.Supernet:
    """A choice of a module beside choices of a width, a kernel and a depth."""
    torch.manual_seed(0)
    width, kernel = Choice([2, 4, 6], name="width"), Choice([1, 3, 5], name="kernel")
    blocks = [Conv2d(width, width, kernel, padding=kernel // 2) for _ in range(2)]
    deep = Repeat(blocks, Choice([0, 1, 2], name="depth"))
    return nas.Supernet(
        nn.Sequential(operations(Choice(OPERATIONS, name="kind")), Conv2d(3, width, 1), deep, Conv2d(width, 3, 1))
    )


def decided(relaxed: Relaxed, **logits: list[float]) -> Relaxed:
    with torch.no_grad():
        for name, values in logits.items():
            relaxed.parameters.logits[name].copy_(torch.tensor(values))
    return relaxed


def values(gates: Mapping[str, GateWeights]) -> dict[str, list[float]]:
    return {name: gate.values.tolist() for name, gate in gates.items()}


def calls(supernet: nas.Supernet) -> dict[str, list[int]]:
    """How often each candidate of each OneOf was called, which is then forgotten."""
    found: dict[str, list[int]] = {}
    for path, module in supernet.named_modules():
        if isinstance(module, OneOf):
            inside = [each for each in module.children() if isinstance(each, Counted)]
            found[path] = [each.calls for each in inside]
            for each in inside:
                each.calls = 0
    return found


SAMPLERS: dict[str, Callable[[], Relaxation]] = {
    "gdas": GumbelStraightThrough,
    "snas": Concrete,
    "proxyless": BinaryGates,
    "proxyless pairs": BinaryGatePairs,
    "dropnas": lambda: GroupDropout(0.3),
    "tas": SampledSizes,
}
each_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


@each_sampler
def test_what_is_drawn_depends_on_seed_and_step_alone(make: Callable[[], Relaxation]) -> None:
    drawn = []
    for noise in (0, 1):
        relaxed = Relaxed(cells(), make(), seed=3)
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        drawn.append([values(relaxed.draw(step, 0.5)) for step in range(12)])
        relaxed.draw_for_weights(1, 0.5)
        assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    assert drawn[0] == drawn[1]
    assert values(relaxed.draw(7, 0.5)) == drawn[0][7], "in any order"
    assert len({str(gates) for gates in drawn[0]}) > 6
    other = Relaxed(cells(), make(), seed=4)
    other.parameters.load_state_dict(relaxed.parameters.state_dict())
    assert [values(other.draw(step, 0.5)) for step in range(12)] != drawn[0]


def test_first_logits_depend_on_the_seed_alone() -> None:
    first = []
    for seed, noise in ((1, 0), (1, 5), (2, 0)):
        supernet = cells()
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        relaxed = Relaxed(supernet, Softmax(), seed)
        assert torch.equal(torch.get_rng_state(), state)
        first.append(torch.cat(list(relaxed.parameters.logits.values())))
    assert torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])


def test_logits_belong_to_decisions() -> None:
    relaxed = Relaxed(cells(count=3), Softmax(), 0, subsets=Softmax())
    assert {name: len(logits) for name, logits in relaxed.parameters.logits.items()} == {
        "edge_0_1": 4,
        "edge_0_2": 4,
        "edge_1_2": 4,
        "kept": 2,
    }
    assert not {id(p) for p in relaxed.parameters.parameters()} & {id(p) for p in relaxed.supernet.parameters()}


def test_decisions_know_zero_and_what_is_free_of_weights() -> None:
    class Marked(nn.Conv2d):
        parameter_free = True

    choice = Choice(["none", "skip", "marked", "conv"], name="edge")
    kinds = (Zero(), nn.BatchNorm2d(3), Marked(3, 3, 1), nn.Conv2d(3, 3, 1))
    supernet = nas.Supernet(nn.Sequential(OneOf(dict(zip(choice.candidates, kinds, strict=True)), choice)))
    decision = Relaxed(supernet, Softmax(), 0).decisions["edge"]
    assert decision == Decision("edge", choice.candidates, (True, False, False, False), (True, True, True, False))


def test_by_default_every_element_of_a_subset_weighs_one_and_nothing_is_learnt() -> None:
    relaxed = Relaxed(cells(), Softmax(), 0)
    assert "kept" not in relaxed.parameters.logits
    gate = relaxed.draw(0, 0.0)["kept"]
    assert gate.values.tolist() == [1.0, 1.0] and gate.active == (0, 1)
    assert relaxed.probabilities()["kept"].tolist() == [1.0, 1.0]


def test_weights_of_a_subset_multiply_its_edges() -> None:
    relaxed = decided(Relaxed(cells(1), Softmax(), 0, subsets=Softmax()), kept=[0.3, -0.4])
    relaxed.follow(relaxed.draw(0, 0.0))
    cell = relaxed.supernet.model[0]  # type: ignore[index]
    y = relaxed.supernet(X)
    middle = cell.edge(0, 1)(X)
    shares = torch.tensor([0.3, -0.4]).softmax(0)
    torch.testing.assert_close(y, shares[0] * cell.edge(0, 2)(X) + shares[1] * cell.edge(1, 2)(middle))


def test_subsets_are_as_likely_as_the_products_of_their_elements() -> None:
    kept = Subset(range(4), size=2, name="kept")
    edges = {(source, 4): nn.Conv2d(3, 3, 1) for source in range(4)}
    cell = Fed(Cell(edges, 4, kept={4: kept}), same, same, same, same)
    relaxed = decided(Relaxed(nas.Supernet(cell), Softmax(), 0, subsets=Softmax()), kept=[0.1, 0.7, -0.5, 0.0])
    p = torch.tensor([0.1, 0.7, -0.5, 0.0]).softmax(0)
    products = torch.stack([p[i] * p[j] for i, j in combinations(range(4), 2)])
    candidates = relaxed.supernet.space.choices["kept"]
    assert candidates == tuple(combinations(range(4), 2))
    found = relaxed.distribution()["kept"]
    torch.testing.assert_close(found, products / products.sum())
    assert found.requires_grad and relaxed.probabilities()["kept"].tolist() == p.tolist()
    uniform = Relaxed(nas.Supernet(cell), Softmax(), 0).distribution()["kept"]
    torch.testing.assert_close(uniform, torch.full((6,), 1 / 6))


@pytest.mark.parametrize("make", [GumbelStraightThrough, BinaryGates])
def test_one_operation_an_edge_runs_and_the_same_one_in_all_cells(make: Callable[[], Relaxation]) -> None:
    relaxed = Relaxed(cells(count=3), make(), seed=1)
    drawn = Counter[int]()
    for step in range(20):
        gates = relaxed.draw(step, 0.5)
        relaxed.follow(gates)
        with torch.no_grad():
            relaxed.supernet(X)
        for place, called in calls(relaxed.supernet).items():
            (position,) = gates[place.split(".")[-1]].active
            assert called == [int(index == position) for index in range(4)], place
            drawn[position] += 1
    assert set(drawn) == {0, 1, 2, 3}


def test_only_operations_that_were_not_dropped_run() -> None:
    relaxed = Relaxed(cells(), GroupDropout(0.4), seed=1)
    counts = set()
    for step in range(20):
        gates = relaxed.draw(step, 0.0)
        relaxed.follow(gates)
        relaxed.supernet(X)
        for place, called in calls(relaxed.supernet).items():
            assert called == [int(index in gates[place.split(".")[-1]].active) for index in range(4)]
            counts.add(sum(called))
    assert counts == {2, 3, 4}


def test_of_elastic_choices_all_options_take_part() -> None:
    relaxed = Relaxed(elastic(), GumbelStraightThrough(), seed=5)  # both layers run, at a middle width and kernel
    gates = relaxed.draw(0, 0.0)
    relaxed.follow(gates)
    wide, kernels = relaxed.supernet.model[1], relaxed.supernet.model[2].get_submodule("0")  # type: ignore[index]
    assert wide.state.widths["out_channels"].count == 6 and kernels.state.kernel == (5, 5)
    relaxed.supernet(X)  # the first run checks the gates, for which others run
    calls(relaxed.supernet)
    y = relaxed.supernet(X)
    assert sum(calls(relaxed.supernet)["model.0"]) == 1
    torch.autograd.backward(y.sum())
    for name in ("kind", "width", "kernel", "depth"):
        gradient = relaxed.parameters.logits[name].grad
        assert gradient is not None and gradient.abs().max() > 0, name
    chosen = {name: relaxed.supernet.space.choices[name][gate.active[0]] for name, gate in gates.items()}
    relaxed.supernet.activate(relaxed.supernet.space.complete(chosen))
    torch.testing.assert_close(relaxed.supernet(X), y, rtol=1e-5, atol=1e-6)


def test_depths_may_have_a_relaxation_of_their_own() -> None:
    relaxed = Relaxed(elastic(), SampledSizes(), seed=1, depths=Concrete())
    gates = relaxed.draw(0, 0.0)
    assert len(gates["depth"].active) == 3 and len(gates["width"].active) == 2


def test_no_gradient_leads_through_gates_for_weights() -> None:
    for make in SAMPLERS.values():
        relaxed = Relaxed(cells(), make(), seed=1)
        for gate in relaxed.draw_for_weights(0, 0.0).values():
            assert not gate.values.requires_grad and gate.idle == "none"


def test_pairs_run_two_operations_to_learn_the_architecture_and_one_to_learn_weights() -> None:
    relaxed = Relaxed(cells(), BinaryGatePairs(), seed=1)
    assert {len(gate.active) for name, gate in relaxed.draw(0, 0.0).items() if name != "kept"} == {2}
    assert {len(gate.active) for name, gate in relaxed.draw_for_weights(0, 0.0).items() if name != "kept"} == {1}


def test_a_frozen_choice_is_one_hot_and_learns_no_more() -> None:
    relaxed = Relaxed(cells(), Softmax(), 0, subsets=Softmax())
    before = relaxed.probabilities()
    relaxed.freeze("edge_0_1", [2])
    relaxed.freeze("kept", [1])
    gates = relaxed.draw(0, 0.0)
    assert gates["edge_0_1"].values.tolist() == [0, 0, 1, 0] and gates["edge_0_1"].active == (2,)
    assert gates["kept"].values.tolist() == [0, 1] and gates["kept"].active == (1,)
    assert relaxed.probabilities()["edge_0_1"].tolist() == [0, 0, 1, 0]
    assert torch.equal(relaxed.probabilities()["edge_0_2"], before["edge_0_2"])
    relaxed.follow(gates)
    torch.autograd.backward(relaxed.supernet(X).sum())
    called = calls(relaxed.supernet)
    assert called["model.0.edge_0_1"] == [0, 0, 1, 0]
    assert called["model.0.edge_0_2"] == [0, 0, 0, 0], "an edge that is not kept does not run"
    learnt = {name for name, logits in relaxed.parameters.logits.items() if logits.grad is not None}
    assert learnt == {"edge_1_2"}


@each_sampler
def test_freezing_one_choice_changes_no_draw_of_the_others(make: Callable[[], Relaxation]) -> None:
    relaxed = Relaxed(cells(), make(), seed=3)
    before = [values(relaxed.draw(step, 0.5)) for step in range(6)]
    relaxed.freeze("edge_0_1", [2])
    for step, drawn in enumerate(before):
        assert {**values(relaxed.draw(step, 0.5)), "edge_0_1": 0} == {**drawn, "edge_0_1": 0}


def test_shown_are_probabilities_and_what_is_left_out_is_not_made_up_for() -> None:
    relaxed = Relaxed(cells(1), Softmax(), 0, subsets=Softmax())
    decided(relaxed, edge_0_1=[0.1, 0.5, -0.3, 0.2])
    supernet = relaxed.supernet
    cell = supernet.model[0]  # type: ignore[index]
    relaxed.show()
    whole = supernet(X)
    assert torch.equal(supernet(X), whole), "nothing is drawn"
    calls(supernet)
    relaxed.show({"edge_0_1": [1, 3]})
    middle = cell.edge(0, 1)(X)
    assert calls(supernet)["model.0.edge_0_1"] == [1, 0, 1, 0]
    shares = torch.tensor([0.1, 0.5, -0.3, 0.2]).softmax(0)
    torch.testing.assert_close(middle, shares[2] * cell.edge(0, 1)["small"](X))
    relaxed.show({"kept": [0]})
    calls(supernet)
    y = supernet(X)
    assert calls(supernet)["model.0.edge_0_2"] == [0, 0, 0, 0]
    weight = relaxed.probabilities()["kept"][1]
    torch.testing.assert_close(y, weight * cell.edge(1, 2)(cell.edge(0, 1)(X)))
    assert not torch.equal(y, whole)
    relaxed.show()
    assert torch.equal(supernet(X), whole)


def test_a_frozen_choice_is_shown_as_decided() -> None:
    relaxed = Relaxed(cells(1), Softmax(), 0)
    relaxed.freeze("edge_0_1", [3])
    relaxed.show()
    relaxed.supernet(X)
    assert calls(relaxed.supernet)["model.0.edge_0_1"] == [0, 0, 0, 1]


def test_showing_gives_back_what_was_followed_before() -> None:
    relaxed = Relaxed(cells(), GumbelStraightThrough(), seed=2)
    relaxed.follow(relaxed.draw(5, 0.5))
    before = relaxed.supernet(X)
    other = {name: torch.full_like(p, 0.5) for name, p in relaxed.probabilities().items()}
    with relaxed.showing(other):
        shown = relaxed.supernet(X)
        assert not torch.allclose(shown, before)
    assert torch.equal(relaxed.supernet(X), before)
    with pytest.raises(ZeroDivisionError), relaxed.showing(other):
        _ = 1 / 0
    assert torch.equal(relaxed.supernet(X), before), "also when it fails"
    torch.autograd.backward(relaxed.supernet(X).sum())
    assert relaxed.parameters.logits["edge_0_2"].grad is not None, "gradients as before"


@pytest.mark.parametrize("make", [lambda: GroupDropout(0.5), BinaryGatePairs])
def test_a_step_keeps_the_probabilities_of_idle_options(make: Callable[[], Relaxation]) -> None:
    relaxed = Relaxed(cells(), make(), seed=5)
    moved = 0
    for step in range(8):
        gates = relaxed.draw(step, 0.0)
        before = {name: logits.detach().clone() for name, logits in relaxed.parameters.logits.items()}
        shares = relaxed.arrays()
        with torch.no_grad():
            for logits in relaxed.parameters.logits.values():
                logits.add_(torch.randn(len(logits)))
        relaxed.adjust(before, gates)
        for name in relaxed.parameters.logits:
            idle = [index for index in range(4) if index not in gates[name].active]
            now = relaxed.arrays()[name]
            assert abs(now[idle] - shares[name][idle]).max(initial=0) < 1e-6
            assert torch.equal(relaxed.parameters.logits[name][idle], before[name][idle])
            moved += int(abs(now - shares[name]).max() > 0.01)
    assert moved > 15


def test_relaxations_that_restore_nothing_let_steps_stand() -> None:
    relaxed = Relaxed(cells(), GumbelStraightThrough(), seed=5)
    gates, before = relaxed.draw(0, 0.0), {n: p.detach().clone() for n, p in relaxed.parameters.logits.items()}
    with torch.no_grad():
        for logits in relaxed.parameters.logits.values():
            logits.add_(1.0)
    relaxed.adjust(before, gates)
    assert all(torch.equal(logits, before[name] + 1) for name, logits in relaxed.parameters.logits.items())


def test_arrays_are_the_probabilities() -> None:
    relaxed = Relaxed(elastic(), Softmax(), seed=5)
    found = relaxed.arrays()
    assert all(array.dtype == "float64" for array in found.values())
    assert {name: array.tolist() for name, array in found.items()} == {
        name: p.tolist() for name, p in relaxed.probabilities().items()
    }


@pytest.mark.parametrize("seed", [0, 2**40, 2**62])
def test_any_seed_will_do(seed: int) -> None:
    relaxed = Relaxed(cells(), Softmax(), seed)
    assert relaxed.draw(10**6, 1.0)
