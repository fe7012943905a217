"""Two ways to find coupled groups agree: ours, and that of torch-pruning (DepGraph, Fang et al., 2023)."""

from typing import Any

import pytest
import torch
from third_party import torchvision_model
from torch import nn

import nas

NAMES = ["resnet18", "mobilenet_v2", "regnet_y_400mf", "densenet121", "googlenet", "convnext_tiny"]
DIFFERING = {"regnet_y_400mf": "we cut whole groups of a grouped convolution, which ties its input to its output"}


def theirs(model: nn.Module, example: torch.Tensor) -> set[frozenset[str]]:
    """The layers that make the channels of each group which does not hold the last layer."""
    pruning: Any = pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")
    graph = pruning.DependencyGraph().build_dependency(model, example)
    names = {module: name for name, module in model.named_modules()}
    found = set()
    for group in graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear]):
        makers = set()
        for item in group.items:
            layer, function = item.dep.target.module, item.dep.handler
            if isinstance(layer, nn.Conv2d | nn.Linear) and graph.is_out_channel_pruning_fn(function):
                makers.add(names[layer])
        found.add(frozenset(makers))
    (last,) = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1:]
    return {makers for makers in found if last not in makers}


def ours(model: nn.Module, example: torch.Tensor) -> set[frozenset[str]]:
    space = nas.elastic(model, example, order=None, width=[0.5, 1.0], divisor=1)
    layers = dict(model.named_modules())
    found = set()
    for group in space.plan.groups.elastic:
        makers = {axis.place.path for axis in group.axes if axis.dim == 0 and axis.place.name == "weight"}
        found.add(frozenset(name for name in makers if isinstance(layers[name], nn.Conv2d | nn.Linear)))
    return found


@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])])
def test_both_find_the_same_groups(name: str) -> None:
    model, example = torchvision_model(name)
    given, expected = ours(model, example), theirs(model, example)
    assert (given == expected) == (name not in DIFFERING), (given ^ expected, DIFFERING.get(name))
