"""What must hold of every converted model."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import nas
from nas.conversion.plan_table import accounts
from nas.space import Architecture

__all__ = [
    "architectures",
    "check_accounts",
    "check_extraction",
    "check_largest",
    "check_untouched",
    "check_zeroed",
    "fingerprint",
]


def outputs(network: nn.Module, example: Any) -> list[Tensor]:
    with torch.no_grad():
        given = network(**example) if isinstance(example, dict) else network(example)
    return [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]


def close(one: list[Tensor], other: list[Tensor]) -> bool:
    """Whether outputs differ by at most 1e-5 of the largest number."""
    return all(
        a.shape == b.shape and bool((a - b).abs().max() <= 1e-5 * max(1.0, float(b.abs().max())))
        for a, b in zip(one, other, strict=True)
    )


def architectures(supernet: nas.Supernet, count: int) -> Iterator[Architecture]:
    """The smallest, and random ones."""
    yield supernet.space.smallest()
    yield from (supernet.space.sample(seed) for seed in range(count - 1))


def fingerprint(model: nn.Module) -> list[Any]:
    """All that a conversion could change of the object that it is given."""
    found: list[Any] = []
    for path, module in model.named_modules():
        hooks = {name: list(value) for name, value in vars(module).items() if "hooks" in name and value}
        plain = {name: value for name, value in vars(module).items() if isinstance(value, int | float | str | tuple)}
        held = {**module._parameters, **module._buffers}
        tensors = {
            name: (id(each), each.clone(), each.requires_grad) for name, each in held.items() if each is not None
        }
        found.append((path, id(module), type(module), module.training, hooks, plain, tensors, list(module._modules)))
    return found


def check_untouched(before: list[Any], model: nn.Module) -> None:
    for was, now in zip(before, fingerprint(model), strict=True):
        *was_rest, was_tensors, was_children = was
        *now_rest, now_tensors, now_children = now
        assert (was_rest, was_children) == (now_rest, now_children)
        assert was_tensors.keys() == now_tensors.keys()
        for name, (identity, value, learns) in was_tensors.items():
            assert (identity, learns) == (now_tensors[name][0], now_tensors[name][2])
            assert torch.equal(value, now_tensors[name][1])


def check_largest(supernet: nas.Supernet, model: nn.Module, example: Any) -> None:
    """It is the model, bit for bit."""
    supernet.activate(supernet.space.largest())
    for given, expected in zip(outputs(supernet, example), outputs(model, example), strict=True):
        assert torch.equal(given, expected)
    assert set(supernet.model.state_dict()) == set(model.state_dict())


def check_zeroed(space: nas.ElasticModel, supernet: nas.Supernet, model: nn.Module, example: Any, seed: int) -> None:
    """A network without channels equals the model in which they are zero in all tensors.

    But for widths over which a statistic is taken, which stay full here as kernels and depths do.
    """
    plan = space.plan
    chosen, kept = supernet.space.sample(seed), {}
    architecture = dict(supernet.space.largest())
    for width in plan.widths:
        if not any(group.softened for group in width.groups):
            name = str(width.choice.name)
            architecture[name] = chosen.get(name, architecture[name])
            kept |= {number: architecture[name] // each for number, each in width.each.items()}
    zeroed = copy.deepcopy(model)
    for (place, dim), layout in plan.groups.layouts.items():
        tensor = getattr(zeroed.get_submodule(place.path), place.name)
        gone = sorted({*range(tensor.shape[dim])} - {*layout.positions(kept)})
        with torch.no_grad():
            tensor.index_fill_(dim, torch.tensor(gone, dtype=torch.long), 0)
    supernet.activate(architecture)
    assert close(outputs(supernet, example), outputs(zeroed, example))


def check_extraction(supernet: nas.Supernet, architecture: Architecture, model: nn.Module, example: Any) -> nn.Module:
    """The network has the classes and names of the model, smaller, and computes what the supernet does."""
    supernet.activate(architecture)
    network = supernet.extract(architecture)
    assert type(network) is type(model)
    originals = dict(model.named_modules())
    for path, module in network.named_modules():
        left_out = type(module) is nn.Identity
        assert left_out or type(module) is type(originals[path]), path
    assert set(network.state_dict()) <= set(model.state_dict())
    assert sum(each.numel() for each in network.parameters()) <= sum(each.numel() for each in model.parameters())
    assert close(outputs(network, example), outputs(supernet, example))
    return network


def check_accounts(space: nas.ElasticModel, model: nn.Module) -> None:
    """Every parameter is listed once, under a choice or a reason."""
    listed = accounts(space.plan, space.parameters)
    assert sum(listed.values()) == sum(each.numel() for each in model.parameters())
    assert {str(place) for place in space.parameters} == {name for name, _ in model.named_parameters()}
    fixed = [place for places in space.plan.reasons(space.parameters).values() for place in places]
    named = [place for place in space.parameters if space.plan.name_of(place) is not None]
    assert sorted(map(str, (*fixed, *named))) == sorted(map(str, space.parameters))
    assert all(len(line) <= 100 for line in str(space).splitlines())
