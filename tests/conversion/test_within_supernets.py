"""A converted model is a space like any other: costs, blocks, copies, training, deliveries without this package."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from plain_models import MODELS, Made, made
from torch import nn

import nas
from nas.costs import StaticCosts, parameters, trace

SOME = ("resnet", "vit")
EACH = [*SOME, *(pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name not in SOME)]


def supernet_of(model: Made) -> nas.Supernet:
    space = nas.elastic(model.model, model.example)
    return nas.Supernet(space, input_shape=model.example.shape[1:], input_dtype=model.example.dtype).eval()


@pytest.mark.parametrize("name", EACH)
def test_costs_are_those_of_the_network(name: str) -> None:
    model = made(name)
    supernet, shape, dtype = supernet_of(model), model.example.shape[1:], model.example.dtype
    costs = StaticCosts(supernet, shape, dtype)
    for seed in range(2):
        architecture = supernet.space.sample(seed)
        network, given = supernet.extract(architecture), costs(architecture)
        assert (given["params"], given["flops"]) == (parameters(network), trace(network, shape, dtype).flops)


@pytest.mark.parametrize("name", ["resnet", "fused_vit", "mobilenet"])
def test_blocks_one_after_the_other_are_the_network(name: str) -> None:
    model = made(name)
    supernet = supernet_of(model)
    counts = set()
    for seed in range(5):
        supernet.activate(supernet.space.sample(seed))
        y, blocks = model.example, supernet.segments()
        for _, block in blocks:
            with torch.no_grad():
                y = block.module(y)
        torch.testing.assert_close(y, model.run(supernet))
        counts.add(len(blocks))
    assert len(counts) > 1


@pytest.mark.parametrize("name", EACH)
def test_copies_share_nothing(name: str) -> None:
    model = made(name)
    supernet = supernet_of(model)
    other, architecture = copy.deepcopy(supernet), supernet.space.sample(2)
    other.activate(supernet.space.smallest())
    supernet.activate(architecture)
    expected = model.run(supernet)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(model.run(supernet), expected)
    other.load_state_dict(supernet.state_dict())
    other.activate(architecture)
    assert torch.equal(model.run(other), expected)


def test_a_mixture_of_depths_is_the_sum_of_networks() -> None:
    torch.manual_seed(0)
    model = made("convnext")
    supernet = nas.Supernet(nas.elastic(model.model, model.example, width=None, kernel="fixed")).eval()
    (name,) = supernet.space.choices
    weights = torch.tensor([0.3, 0.7], requires_grad=True)
    supernet.mix({name: weights})
    supernet(model.example).sum().backward()
    assert weights.grad is not None and weights.grad.isfinite().all()
    supernet.mix({name: torch.tensor([0.0, 1.0])})
    mixed = model.run(supernet)
    supernet.activate(supernet.space.largest())
    torch.testing.assert_close(mixed, model.run(supernet))


def test_weights_of_the_model_can_be_loaded() -> None:
    model = made("bert")
    space = nas.elastic(model.model, model.example, order=None)
    with torch.no_grad():
        for parameter in model.model.parameters():
            parameter.add_(0.1)
    space.network.load_state_dict(model.model.state_dict())
    supernet = nas.Supernet(space).eval()
    supernet.activate(supernet.space.largest())
    assert torch.equal(model.run(supernet), model.run(model.model))


def test_a_supernet_of_a_model_trains() -> None:
    model = made("mobilenet")
    supernet = nas.Supernet(nas.elastic(model.model, model.example))
    optimiser = torch.optim.SGD(supernet.parameters(), 0.05)
    target, losses = torch.tensor([1, 2]), []
    for step in range(30):
        supernet.activate(supernet.space.sample(step) if step % 2 else supernet.space.largest())
        loss = nn.functional.cross_entropy(supernet(model.example), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


RUN = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nas":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[2])
import torch

network, example, expected = torch.load(sys.argv[1], weights_only=False)
torch.testing.assert_close(network(example), expected)
print("the same")
"""


@pytest.mark.whole
def test_a_network_runs_where_this_package_is_not(tmp_path: Path) -> None:
    model = made("fused_vit")
    supernet = supernet_of(model)
    network = supernet.extract(supernet.space.sample(1))
    torch.save((network, model.example, model.run(network)), tmp_path / "network.pt")
    command = [sys.executable, "-c", RUN, str(tmp_path / "network.pt"), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "the same", done.stderr
