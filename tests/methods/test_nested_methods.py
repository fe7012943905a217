"""Methods whose subnets are parts of each other: what they are told, and what they train."""

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.methods import METHODS
from nas.methods.kinds import feed_forward_sizes, kinds_of
from nas.nn.channel_ranges import Region, select, write
from nas.problem import Problem
from nas.space import Choice
from nas.training import Context, SupernetStep
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.resnet import resnet
from search_spaces.transformer_lm import transformer_lm

SHAPE, CLASSES = (1, 8, 8), 10


def small(seed: int = 0) -> nas.Supernet:
    torch.manual_seed(seed)
    return nas.Supernet(mobilenet(SHAPE, CLASSES, widths=(8, 16), strides=(1, 2), depths=(1, 2), stem=8, head=16))


def problem_of(supernet: nas.Supernet, **recipe: object) -> Problem:
    return Problem(supernet, nas.data.load("digits", limit=64), 3, nas.Recipe(**{"batch_size": 16, **recipe}))  # type: ignore[arg-type]


def step_of(method: str, problem: Problem, phase: int = 0) -> SupernetStep:
    step = METHODS[method].phases(problem)[phase].step
    assert isinstance(step, SupernetStep)
    return step


def gradients(supernet: nas.Supernet, step: SupernetStep, context: Context) -> dict[str, Tensor]:
    """Of all paths of a step, or of those that the context has already."""
    supernet.zero_grad()
    if not context.paths:
        step.before_step(context)
    step.run(context, context.x, context.y, torch.autograd.backward)
    return {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}


def batch(supernet: nas.Supernet, problem: Problem) -> tuple[Tensor, Tensor]:
    x, y = next(iter(problem.data.train.batches(16)))
    supernet.double().eval()
    return x.double(), y


def regions(supernet: nas.Supernet, architecture: nas.Architecture) -> dict[str, Tensor]:
    """True where a parameter is in use."""
    names = {parameter: name for name, parameter in supernet.named_parameters()}
    supernet.activate(architecture)
    found: dict[str, Tensor] = {}
    for parameter, region in supernet.active_regions():
        mask = found.setdefault(names[parameter], torch.zeros_like(parameter, dtype=torch.bool))
        write(mask, region, torch.ones_like(_taken(mask, region)))
    return found


def _taken(mask: Tensor, region: Region) -> Tensor:
    return select(mask, region)


# What choices are


def test_kinds_of_the_choices_of_shipped_spaces() -> None:
    kinds = kinds_of(small())
    assert {name.rpartition(".")[2] or name: kind for name, kind in kinds.items()} == {
        "width": "width", "kernel": "kernel", "expansion": "width", "depth": "depth",
    }  # fmt: skip
    assert set(kinds_of(nas.Supernet(chain(SHAPE, CLASSES, layers=(1, 1), width=4, head=8))).values()) == {"operation"}
    language = kinds_of(nas.Supernet(transformer_lm((6,), 7, (8, 16), (1, 2), (1, 2), 4)))
    assert language["depth"] == "depth" and {language["width"], language["layers.0.heads"]} == {"width"}
    assert set(kinds_of(nas.Supernet(resnet(SHAPE, CLASSES, widths=(4, 8)))).values()) <= {"width", "depth"}


def test_choices_that_are_no_sizes_and_those_of_two_kinds() -> None:
    both = Choice([1, 2], name="both")
    stride = Choice([1, 2], name="stride")
    body = nas.nn.Repeat([nas.nn.Conv2d(4 * both, 4 * both, 1) for _ in range(2)], both)
    model = nn.Sequential(nas.nn.Conv2d(1, 4 * both, 3, stride), body)
    assert kinds_of(nas.Supernet(model, extra={"image_size": [6, 8]})) == {
        "both": "width", "stride": "other", "image_size": "other",
    }  # fmt: skip


def test_feed_forward_sizes_are_what_linear_layers_alone_read() -> None:
    language = nas.Supernet(transformer_lm((6,), 7, (8, 16), (1, 2), (1, 2), 4))
    assert feed_forward_sizes(language) == ["layers.0.ratio", "layers.1.ratio"]
    assert feed_forward_sizes(small()) == []
    hidden = Choice([2, 4], name="hidden")
    layers = OrderedDict(first=nas.nn.Linear(4, hidden), act=nn.ReLU(), second=nas.nn.Linear(hidden, 4))
    assert feed_forward_sizes(nas.Supernet(nn.Sequential(layers))) == ["hidden"]


# SortedNet


def test_accumulated_gradients_are_the_sum_of_separate_ones() -> None:
    supernet = small()
    problem = problem_of(supernet)
    x, y = batch(supernet, problem)
    step, context = step_of("sortednet", problem), Context(0, x, y)
    together = gradients(supernet, step, context)
    assert len(context.paths) == 4 and context.paths[0].architecture == supernet.space.largest()
    apart: dict[str, Tensor] = {}
    for path in context.paths:
        for name, gradient in gradients(supernet, step, Context(0, x, y, paths=[path])).items():
            apart[name] = apart.get(name, 0) + gradient
    assert apart.keys() == together.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, apart[name], rtol=1e-9, atol=1e-12)


def test_a_subnet_that_is_nowhere_larger_uses_a_part_of_the_weights() -> None:
    supernet = small()
    space = supernet.space
    for seed in range(10):
        one, other = space.sample((0, seed)), space.sample((1, seed))
        smaller = space.complete({name: min(one[name], other[name]) for name in one if name in other}, 0.0)
        inside, outside = regions(supernet, smaller), regions(supernet, one)
        assert inside.keys() <= outside.keys()
        assert all(bool((outside[name] | ~used).all()) for name, used in inside.items())


@pytest.mark.parametrize("method", ["sortednet", "lighthubert"])
def test_only_architectures_near_a_bound_are_trained_where_one_wins(method: str) -> None:
    supernet = small()
    some = nas.space.ArchitectureSet([supernet.space.sample(seed) for seed in range(6)])
    problem = replace(problem_of(supernet, epochs=4), feasible=some)
    first, last = (step_of(method, problem, phase) for phase in (0, -1))
    drawn = {path.architecture for step in range(40) for path in last.paths.draw(Context(step))}
    assert drawn == set(some.architectures) and METHODS[method].can_be_bounded
    (path, *_) = first.paths.draw(Context(0))
    assert path.architecture == (supernet.space.largest() if method == "lighthubert" else some.largest())


@pytest.mark.parametrize("method", ["sortednet"])
def test_choices_between_modules_are_refused(method: str) -> None:
    supernet = nas.Supernet(chain(SHAPE, CLASSES, layers=(1, 1), width=4, head=8))
    with pytest.raises(UsageError, match=f"{method} needs nested sizes, but choice 'layer0' is between modules"):
        METHODS[method].phases(problem_of(supernet))


# Slimmable networks


@pytest.mark.parametrize("method", ["slimmable", "universally-slimmable"])
def test_a_step_holds_both_extremes_and_one_width_at_a_time(method: str) -> None:
    supernet = small()
    space, kinds = supernet.space, kinds_of(supernet)
    sampler = step_of(method, problem_of(supernet)).paths
    for number in range(10):
        paths = sampler.draw(Context(number))
        assert (paths[0].architecture, paths[-1].architecture) == (space.largest(), space.smallest())
        for path in paths[1:-1]:
            shares = {
                space.order[name].index(space.choices[name].index(value)) / (len(space.choices[name]) - 1)
                for name, value in path.architecture.items()
                if kinds[name] == "width" and len(space.choices[name]) == 3
            }
            assert len(shares) == 1


@torch.no_grad()
def test_a_width_is_the_network_of_that_width() -> None:
    """Of its own slices of the weights, after the statistics were taken anew."""
    supernet = small()
    data = nas.data.load("digits", limit=64)
    x, _ = next(iter(data.train.batches(32)))
    sampler = step_of("slimmable", problem_of(supernet)).paths
    for path in sampler.draw(Context(0)):
        network = supernet.extract(path.architecture).train()
        supernet.train().activate(path.architecture)
        torch.testing.assert_close(supernet(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["slimmable", "universally-slimmable"])
def test_a_space_without_widths_is_refused(method: str) -> None:
    supernet = nas.Supernet(chain(SHAPE, CLASSES, layers=(1, 1), width=4, head=8))
    with pytest.raises(UsageError, match=f"{method} needs widths to choose from, but no layer"):
        METHODS[method].phases(problem_of(supernet))


# MatFormer


def language(seed: int = 0) -> tuple[nas.Supernet, Problem]:
    """A supernet of four feed-forward sizes alone, and a problem around it whose data nobody reads."""
    torch.manual_seed(seed)
    supernet = nas.Supernet(transformer_lm((6,), 7, (8,), (3,), (2,), 4, ratios=(1, 2, 4, 8)))
    return supernet, problem_of(supernet)


def tokens(batch: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(7, (batch, 6), generator=generator), torch.randint(7, (batch, 6), generator=generator)


def test_a_step_trains_every_feed_forward_size_in_all_layers() -> None:
    _, problem = language()
    sampler = step_of("matformer", problem).paths
    for number in range(5):
        drawn = [
            tuple(value for name, value in path.architecture.items() if "ratio" in name)
            for path in sampler.draw(Context(number))
        ]
        assert drawn == [(8, 8, 8), (4, 4, 4), (2, 2, 2), (1, 1, 1)]


def test_one_size_a_step_is_drawn_equally_often_and_layers_agree() -> None:
    _, problem = language()
    (phase,) = METHODS["matformer"].phases(problem, sizes=1)
    assert isinstance(phase.step, SupernetStep)
    drawn = [phase.step.paths.draw(Context(number)) for number in range(2000)]
    assert all(len(paths) == 1 for paths in drawn)
    taken = [{value for name, value in path.architecture.items() if "ratio" in name} for (path,) in drawn]
    assert all(len(each) == 1 for each in taken)
    counts = [taken.count({ratio}) for ratio in (1, 2, 4, 8)]
    assert sum(counts) == 2000
    assert sum((count - 500) ** 2 / 500 for count in counts) < 16.3, "chi-square of three degrees of freedom, p = .001"


def test_inner_units_learn_from_all_sizes_and_outer_ones_from_the_largest_alone() -> None:
    supernet, problem = language()
    supernet.double().eval()
    x, y = tokens()
    step, context = step_of("matformer", problem), Context(0, x, y)
    together = gradients(supernet, step, context)
    apart = [gradients(supernet, step, Context(0, x, y, paths=[path])) for path in context.paths]
    for layer in range(3):
        name = f"model.layers.{layer}.feed_forward.expand.weight"
        unit = together[name].shape[0] // 8
        torch.testing.assert_close(together[name][:unit], sum(each[name][:unit] for each in apart), rtol=1e-9, atol=0)
        torch.testing.assert_close(together[name][4 * unit :], apart[0][name][4 * unit :], rtol=1e-9, atol=0)
        assert not any(each[name][4 * unit :].any() for each in apart[1:])


@torch.no_grad()
def test_sizes_may_differ_from_layer_to_layer_afterwards() -> None:
    supernet, _ = language()
    supernet.eval()
    x, _ = tokens()
    for ratios in ((8, 4, 1), (1, 8, 2)):
        mixed = {**supernet.space.largest(), **{f"layers.{layer}.ratio": r for layer, r in enumerate(ratios)}}
        supernet.activate(mixed)
        torch.testing.assert_close(supernet(x), supernet.extract(mixed)(x), rtol=1e-6, atol=1e-6)
    plain = supernet.extract(supernet.space.largest())
    supernet.activate(supernet.space.largest())
    assert torch.equal(supernet(x), plain(x))


def test_a_space_without_feed_forward_sizes_is_refused() -> None:
    with pytest.raises(UsageError, match="matformer needs feed-forward sizes to choose from"):
        METHODS["matformer"].phases(problem_of(small()))
