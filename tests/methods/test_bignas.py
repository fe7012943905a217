"""What BigNAS does to the largest subnet alone, and how its blocks begin."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.methods import METHODS
from nas.methods.regularisation import Regularised, ZeroBranches, branches_of
from nas.problem import Problem
from nas.sampling import Sandwich
from nas.training import Context, CrossEntropy, SupernetStep
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.once_for_all import once_for_all
from search_spaces.resnet import resnet

SHAPE, CLASSES = (1, 8, 8), 10


def small() -> nas.Supernet:
    torch.manual_seed(0)
    return nas.Supernet(mobilenet(SHAPE, CLASSES, widths=(8, 16), strides=(1, 2), depths=(1, 2), stem=8, head=16))


def images() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(16, *SHAPE), torch.arange(16) % CLASSES


def losses(**regularisation: float) -> list[Tensor]:
    """Of the largest, two random ones and the smallest, all by labels, at the same weights."""
    supernet = small().train()
    within = {"largest": Regularised(supernet.model, **regularisation)} if regularisation else {}
    step = SupernetStep(supernet, Sandwich(supernet.space, 0), [CrossEntropy()], within)
    context = Context(0, *images())
    step.before_step(context)
    step(context, Tensor.backward)
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in supernet.modules()), "hooks are gone"
    return list(context.losses)


@pytest.mark.parametrize("options", [{"dropout": 0.5, "drop_path": 0.0}, {"dropout": 0.0, "drop_path": 0.5}])
def test_the_largest_alone_is_regularised(options: dict[str, float]) -> None:
    plain, regularised = losses(), losses(**options)
    assert not torch.equal(plain[0], regularised[0])
    assert all(map(torch.equal, plain[1:], regularised[1:]))
    assert all(map(torch.equal, losses(dropout=0.0, drop_path=0.0), plain))


def test_dropout_is_in_front_of_the_classifier_and_off_in_evaluation() -> None:
    supernet = small()
    x, _ = images()
    seen: list[Tensor] = []
    classifier = [module for module in supernet.modules() if isinstance(module, nn.Linear)][-1]
    classifier.forward = lambda features: seen.append(features) or features  # type: ignore[assignment, func-returns-value]
    for training in (True, False):
        with Regularised(supernet.model.train(training), dropout=0.5, drop_path=0.0):
            supernet(x)
    positive = [float((features > 0).float().mean()) for features in seen]
    assert positive[0] < 0.8 * positive[1]


def test_a_dropped_branch_leaves_the_shortcut() -> None:
    torch.manual_seed(0)
    supernet = small().train()
    block: Any = next(module for module in supernet.modules() if getattr(module, "branch", None))
    x = torch.randn(64, 8, 8, 8)
    with Regularised(supernet.model, dropout=0.0, drop_path=0.5):
        kept = (block(x) - x).flatten(1).abs().sum(1) > 0
    assert 16 < int(kept.sum()) < 48, "each example by itself"


def test_blocks_begin_as_their_shortcuts() -> None:
    problem = Problem(small(), nas.data.load("digits", limit=64), recipe=nas.Recipe(batch_size=16))
    (phase,) = METHODS["bignas"].phases(problem, zero_branches=True)
    model: Any = problem.supernet.model
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    assert all(bool((each.weight == 1).all()) for each in norms), "not before training begins"
    for each in phase.observers:
        each.begin(Context(0))
    zeroed = [each for each in norms if bool((each.weight == 0).all())]
    branches = branches_of(model)
    assert zeroed == [model.get_submodule(f"{path}.1") for path in branches] and len(zeroed) == 2 < len(norms) / 3
    x = torch.randn(4, 8, 8, 8)
    assert torch.equal(model.get_submodule(branches[0].removesuffix(".project"))(x), x)


@pytest.mark.parametrize("space", [mobilenet, once_for_all, resnet, chain])
def test_spaces_with_shortcuts_name_their_branches(space: Any) -> None:
    model = space(SHAPE, CLASSES)
    branches = branches_of(model)
    assert branches and all(model.get_submodule(path) for path in branches)
    assert len(ZeroBranches(model).norms) == len(branches)


def test_a_space_without_shortcuts_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Sequential has no block that names.*set its attribute branch"):
        branches_of(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(UsageError, match="no linear layer"):
        Regularised(nn.Sequential(nn.Conv2d(1, 1, 1)), dropout=0.2, drop_path=0.0)


def test_options_reach_the_step() -> None:
    problem = Problem(small(), nas.data.load("digits", limit=64), recipe=nas.Recipe(batch_size=16))
    (phase,) = METHODS["bignas"].phases(problem, dropout=0.2, drop_path=0.2, random=1)
    step: Any = phase.step
    assert list(step.within) == ["largest"] and step.paths.random == 1 and not phase.listeners
