"""What one-path gates keep in memory, and what their architecture parameters learn in spite of it."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.nn import Cell, OneOf, Zero
from nas.space import Choice
from nas.supernet import GateWeights, Relaxed
from nas.supernet.relaxations import BinaryGates, GumbelStraightThrough, Relaxation, Softmax
from nas.supernet.relaxations.sampling import straight_through

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LAYERS = 3
Idle = Literal["ones", "outputs"]


def operation(kernel: int = 3) -> nn.Module:
    layers = [nn.Conv2d(4, 4, kernel, padding=kernel // 2), nn.BatchNorm2d(4, track_running_stats=False), nn.Tanh()]
    return nn.Sequential(*layers).double()


def stack(candidates: int) -> nas.Supernet:
    """Layers in a row, each a choice between operations of equal size."""
    torch.manual_seed(0)
    layers = [OneOf([operation() for _ in range(candidates)], name_of(index, candidates)) for index in range(LAYERS)]
    return nas.Supernet(nn.Sequential(*layers))


def name_of(index: int, candidates: int) -> Choice:
    return Choice(list(range(candidates)), name=f"layer{index}")


def saved(supernet: nas.Supernet) -> int:
    """Elements that a pass keeps for its gradients, each storage once, without parameters."""
    kept: dict[int, tuple[int, Tensor]] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in supernet.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes() // tensor.element_size(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        supernet(X)
    return sum(elements for elements, _ in kept.values())


def saved_under(relaxation: Relaxation, candidates: int) -> int:
    relaxed = Relaxed(stack(candidates), relaxation, seed=0)
    relaxed.follow(relaxed.draw(0, 0.5))
    return saved(relaxed.supernet)


@pytest.mark.parametrize("make", [BinaryGates, GumbelStraightThrough])
def test_seven_candidates_keep_as_much_as_one(make: Callable[[], Relaxation]) -> None:
    one, seven = saved_under(make(), 1), saved_under(make(), 7)
    assert one > LAYERS * 2 * X.numel(), "something is counted"
    assert abs(seven - one) <= X.numel()


def test_a_mixture_of_seven_keeps_seven_times_as_much() -> None:
    assert saved_under(Softmax(), 7) > 5 * saved_under(Softmax(), 1)


def test_outputs_of_idle_candidates_are_computed_in_the_backward_pass_alone() -> None:
    relaxed = Relaxed(stack(4), BinaryGates(), seed=0)
    gates = relaxed.draw(0, 0.5)
    relaxed.follow(gates)
    called: list[tuple[str, int, bool]] = []
    for name, module in relaxed.supernet.model.named_children():
        for index, candidate in enumerate(module.children()):
            candidate.register_forward_hook(
                lambda *_, name=name, index=index: called.append((name, index, torch.is_grad_enabled()))
            )
    y = relaxed.supernet(X)
    active = [gates[f"layer{layer}"].active[0] for layer in range(LAYERS)]
    assert called == [(str(layer), active[layer], True) for layer in range(LAYERS)]
    called.clear()
    torch.autograd.backward(y.sum())
    idle = [(str(layer), i, False) for layer in range(LAYERS) for i in range(4) if i != active[layer]]
    assert sorted(called) == idle
    running = {f"model.{layer}.{active[layer]}" for layer in range(LAYERS)}
    learnt = {name.rsplit(".", 2)[0] for name, p in relaxed.supernet.named_parameters() if p.grad is not None}
    assert learnt == running, "weights of idle candidates have no gradient"


def test_weights_learn_on_one_path_without_a_pass_of_the_others() -> None:
    relaxed = Relaxed(stack(4), BinaryGates(), seed=0)
    relaxed.follow(relaxed.draw_for_weights(0, 0.5))
    calls = []
    for module in relaxed.supernet.model.children():
        for candidate in module.children():
            candidate.register_forward_hook(lambda *_: calls.append(1))
    torch.autograd.backward(relaxed.supernet(X).sum())
    assert len(calls) == LAYERS


def mixed_layer(kinds: list[nn.Module], relaxation: Relaxation, seed: int) -> tuple[Relaxed, int]:
    """A layer of these candidates behind a convolution, its gates drawn; which candidate runs."""
    torch.manual_seed(seed)
    layer = OneOf(kinds, Choice(list(range(len(kinds))), name="layer"))
    relaxed = Relaxed(nas.Supernet(nn.Sequential(operation(), layer, nn.Tanh())), relaxation, seed)
    with torch.no_grad():
        relaxed.parameters.logits["layer"].copy_(torch.randn(len(kinds)))
    relaxed.parameters.double()
    gates = relaxed.draw(seed, 0.5)
    relaxed.follow(gates)
    return relaxed, gates["layer"].active[0]


@pytest.mark.parametrize("seed", range(6))
def test_logits_of_binary_gates_have_the_gradient_of_the_closed_form(seed: int) -> None:
    """``dL/dlogit_i = sum_j <dL/dy, o_j(x)> p_j (delta_ij - p_i)``, whichever candidate runs."""
    kinds = [Zero(), nn.Identity(), operation(1), operation(3), operation(5)]
    relaxed, active = mixed_layer(kinds, BinaryGates(), seed)
    logits = relaxed.parameters.logits["layer"]
    h = relaxed.supernet.model[0](X)  # type: ignore[index]
    outputs = [kind(h).detach() for kind in kinds]
    y = outputs[active].requires_grad_()
    (slope,) = torch.autograd.grad(y.tanh().sin().sum(), y)
    p = logits.detach().softmax(0)
    products = torch.stack([(slope * output).sum() for output in outputs])
    expected = torch.stack([(products * p * (torch.eye(5, dtype=p.dtype)[i] - p[i])).sum() for i in range(5)])
    torch.autograd.backward(relaxed.supernet(X).sin().sum())
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, expected, rtol=1e-10, atol=1e-12)
    assert abs(float(logits.grad.sum())) < 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_ghost_terms_have_the_sum_over_all_elements_of_the_slope(seed: int) -> None:
    """The gate of the operation that runs gets ``<dL/dy, o(x)>``, every other ``sum dL/dy``."""
    kinds = [Zero(), nn.Identity(), operation(1), operation(3)]
    relaxed, active = mixed_layer(kinds, GumbelStraightThrough(), seed)
    logits = relaxed.parameters.logits["layer"]
    values = relaxed.draw(seed, 0.5)["layer"].values
    h = relaxed.supernet.model[0](X)  # type: ignore[index]
    y = kinds[active](h).detach().requires_grad_()
    (slope,) = torch.autograd.grad(y.tanh().sin().sum(), y)
    gate_slopes = torch.full((4,), float(slope.sum()), dtype=torch.float64)
    gate_slopes[active] = (slope * y.detach()).sum()
    (expected,) = torch.autograd.grad(values, logits, gate_slopes)
    output = relaxed.supernet(X)
    assert torch.equal(output, y.detach().tanh()), "the ghosts themselves are zero"
    torch.autograd.backward(output.sin().sum())
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, expected, rtol=1e-10, atol=1e-12)


def test_without_ghost_terms_only_the_operation_that_runs_carries_a_gradient() -> None:
    kinds = [operation(1), operation(3), nn.Identity()]
    relaxed, active = mixed_layer(kinds, GumbelStraightThrough(ghost_terms=False), 0)
    logits = relaxed.parameters.logits["layer"]
    values = relaxed.draw(0, 0.5)["layer"].values
    y = kinds[active](relaxed.supernet.model[0](X)).detach().requires_grad_()  # type: ignore[index]
    (slope,) = torch.autograd.grad(y.tanh().sum(), y)
    (expected,) = torch.autograd.grad(values[active], logits, (slope * y.detach()).sum())
    torch.autograd.backward(relaxed.supernet(X).sum())
    torch.testing.assert_close(logits.grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("idle", ["ones", "outputs"])
def test_a_decision_learns_the_sum_over_all_cells_that_share_it(idle: Idle) -> None:
    """The gradient is that of cells with decisions of their own, added up."""

    def gradients(*names: str) -> Tensor:
        torch.manual_seed(0)
        choices = {name: Choice([0, 1, 2], name=name) for name in names}
        kinds = [[nn.Identity(), operation(1), operation(3)] for _ in range(2)]
        cells = [Cell({(0, 1): OneOf(kind, choices[name])}) for kind, name in zip(kinds, names, strict=True)]
        relaxed = Relaxed(nas.Supernet(nn.Sequential(*cells)), BinaryGates(), seed=0)
        gates = {}
        for name, logits in relaxed.parameters.double().logits.items():
            nn.init.constant_(logits, 0.5)
            gates[name] = GateWeights(straight_through(logits.softmax(0), 1), (1,), idle)
        relaxed.follow(gates)
        torch.autograd.backward(relaxed.supernet(X).sin().sum())
        return torch.stack([each for p in relaxed.parameters.parameters() if (each := p.grad) is not None])

    own = gradients("first", "second")
    assert len(own) == 2 and own.abs().min() > 1e-6
    torch.testing.assert_close(gradients("edge", "edge")[0], own.sum(0), rtol=1e-10, atol=1e-12)
