"""What it means that an elastic layer is a slice: the same as a stand-alone torch layer with copied weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import nas

__all__ = [
    "Case",
    "check_extraction",
    "check_one_hot_gates",
    "check_slice",
    "close",
    "one_hot",
    "put",
    "randomise",
    "take",
]

Region = tuple[Sequence[int], ...]
"""Indices for each leading dimension of a tensor."""


@dataclass(frozen=True)
class Case:
    """One elastic layer under one architecture, and the torch layer it must equal.

    Attributes:
        layer: makes the elastic layer.
        architecture: a candidate for each of its choices.
        reference: makes the stand-alone layer.
        regions: for parameters and buffers the indices in use; others are used whole.
        shape: of the input to the stand-alone layer.
        dim: the dimension of channels.
        inputs: (indices in use, width) of the input in the widest layout, if it is elastic.
        outputs: likewise of the output.
        mixable: whether the choices may follow soft gates.
        tokens: whether the input holds integers below five.
    """

    layer: Callable[[], nn.Module]
    architecture: Mapping[str, Any]
    reference: Callable[[], nn.Module]
    regions: Mapping[str, Region]
    shape: tuple[int, ...]
    dim: int = 1
    inputs: tuple[Sequence[int], int] | None = None
    outputs: tuple[Sequence[int], int] | None = None
    mixable: bool = True
    tokens: bool = field(default=False, kw_only=True)

    def input(self) -> Tensor:
        if self.tokens:
            return torch.randint(0, 5, self.shape)
        return torch.randn(self.shape, requires_grad=True)


@torch.no_grad()
def randomise(module: nn.Module) -> nn.Module:
    """Gives every parameter and statistic a value of its own, so that no two entries can be mistaken."""
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.normal_()
    return module


def take(tensor: Tensor, region: Region) -> Tensor:
    for dim, indices in enumerate(region):
        tensor = tensor.index_select(dim, torch.tensor(list(indices)))
    return tensor


def put(background: Tensor, region: Region, part: Tensor) -> Tensor:
    """A copy of ``background`` that holds ``part`` at the indices."""
    result = background.clone()
    if not region:
        return result.copy_(part)
    result[torch.meshgrid(*(torch.tensor(list(indices)) for indices in region), indexing="ij")] = part
    return result


def one_hot(supernet: nas.Supernet, architecture: Mapping[str, Any]) -> dict[str, Tensor]:
    """A differentiable one-hot gate for every choice; an inactive choice takes its first candidate."""
    gates = {}
    for name, candidates in supernet.space.choices.items():
        index = list(candidates).index(architecture[name]) if name in architecture else 0
        gates[name] = torch.eye(len(candidates))[index].requires_grad_()
    return gates


def check_slice(case: Case) -> None:
    """Output, gradients and running statistics are those of the stand-alone layer, bit for bit; the rest rests."""
    supernet, layer = _activated(case)
    reference = _copied(case, layer)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x = case.input()
    for training in (False, True):
        layer.train(training)
        reference.train(training)
        ours, theirs = _run(supernet, x), _run(reference, x)
        assert torch.equal(ours[0], theirs[0])
        assert x.dtype == torch.int64 or same(ours[1], theirs[1])
        for name, parameter in layer.named_parameters():
            grad = reference.get_parameter(name).grad
            assert parameter.grad is not None and grad is not None
            expected = put(torch.zeros_like(parameter), case.regions.get(name, ()), grad)
            assert torch.equal(parameter.grad, expected), name
    for name, buffer in reference.named_buffers():
        assert torch.equal(layer.get_buffer(name), put(before[name], case.regions.get(name, ()), buffer)), name


def check_extraction(case: Case) -> None:
    """What is extracted is the torch layer itself and shares nothing with the elastic one."""
    for training in (True, False):
        supernet, layer = _activated(case)
        reference = _copied(case, layer).train(training)
        x = case.input()
        network = supernet.train(training).extract(case.architecture)
        assert isinstance(network, nn.Sequential)
        plain = network[0]
        assert type(plain) is type(reference)
        assert repr(plain) == repr(reference) and plain.training is training
        assert plain.state_dict().keys() == reference.state_dict().keys()
        assert all(torch.equal(value, reference.state_dict()[name]) for name, value in plain.state_dict().items())
        assert torch.equal(_run(plain, x)[0], _run(reference, x)[0])
        assert all(parameter.grad is None for parameter in layer.parameters())


def check_one_hot_gates(case: Case) -> None:
    """All candidates active with one-hot weights: the same as the slice in the widest layout, zeros elsewhere."""
    supernet, layer = _activated(case)
    x = case.input()
    y, x_grad = _run(supernet, x)
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
    gates = one_hot(supernet, case.architecture)
    supernet.mix(gates)
    wide, wide_grad = _run(supernet, _widened(x, case.dim, case.inputs))
    close(wide, _widened(y, case.dim, case.outputs))
    if x_grad is not None and wide_grad is not None:
        indices = torch.tensor(list(case.inputs[0])) if case.inputs else torch.arange(x.shape[case.dim])
        close(wide_grad.index_select(case.dim, indices), x_grad)
    for name, parameter in layer.named_parameters():
        close(parameter.grad, gradients[name])


def close(a: Tensor | None, b: Tensor | None) -> None:
    assert a is not None and b is not None
    precision = 1e-10 if a.dtype == torch.float64 else 1e-4
    torch.testing.assert_close(a, b, rtol=precision, atol=precision / 10)


def same(a: Tensor | None, b: Tensor | None) -> bool:
    return a is not None and b is not None and torch.equal(a, b)


def _activated(case: Case) -> tuple[nas.Supernet, nn.Module]:
    torch.manual_seed(0)
    layer = randomise(case.layer())
    supernet = nas.Supernet(nn.Sequential(layer))
    supernet.activate(case.architecture)
    return supernet, layer


@torch.no_grad()
def _copied(case: Case, layer: nn.Module) -> nn.Module:
    reference = case.reference()
    own = layer.state_dict()
    assert reference.state_dict().keys() == own.keys()
    for name, tensor in reference.state_dict().items():
        tensor.copy_(take(own[name], case.regions.get(name, ())))
    return reference


def _run(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Output and input gradient; the loss is a function of the output alone and zero where the output is."""
    module.zero_grad()
    x = x.detach().requires_grad_(x.is_floating_point())
    y: Tensor = module(x)
    if y.requires_grad:
        torch.autograd.backward(y.sin().sum())
    return y.detach(), x.grad


def _widened(x: Tensor, dim: int, layout: tuple[Sequence[int], int] | None) -> Tensor:
    """``x`` at its place in the widest layout."""
    if layout is None:
        return x.detach()
    indices, width = layout
    shape = list(x.shape)
    shape[dim] = width
    return torch.zeros(shape).index_copy(dim, torch.tensor(list(indices)), x.detach())
