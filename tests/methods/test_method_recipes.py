"""Every published method assembles parts that can train its space."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.data import Augment, ImageData, ImageSplit
from nas.errors import UsageError
from nas.methods import METHODS, Method
from nas.nn import BatchNorm2d, Conv2d, LayerNorm, Linear, Repeat
from nas.problem import Budget, ExpectedBudget, Problem
from nas.setup import RunConfig
from nas.space import Architecture, Choice
from nas.supernet import relaxations
from nas.tasks import Classification
from nas.training import Context, Learning, Recipe, RelaxedStep, SupernetStep, first_order, train_phases, unrolled
from nas.training.objectives import Forward
from search_spaces.darts import darts
from search_spaces.nasbench201 import nasbench201
from search_spaces.toy_cell import toy_cell

ALL = [METHODS[name] for name in METHODS if METHODS[name].trains]
every_method = pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
differentiable = pytest.mark.parametrize(
    "each", [each for each in ALL if each.family == "differentiable"], ids=lambda each: each.name
)
discrete = pytest.mark.parametrize(
    "each", [each for each in ALL if each.family != "differentiable"], ids=lambda each: each.name
)

SHAPE, CLASSES = (1, 8, 8), 4


def images(count: int = 32, seed: int = 0) -> ImageSplit:
    """Noise whose class is a bright quadrant."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    pixels = 0.3 * torch.randn(count, *SHAPE, generator=generator)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, 4 * (label // 2) :, 4 * (label % 2) :][:, :4, :4] += 1
    return ImageSplit(pixels, labels, torch.zeros(1), torch.ones(1))


def elastic() -> nn.Module:
    """Widths, kernels and depths that are nested."""
    width = Choice([2, 4, 6], name="width")
    blocks = [
        nn.Sequential(Conv2d(width, width, kernel, padding=kernel // 2), BatchNorm2d(width), nn.ReLU())
        for kernel in (Choice([1, 3], name="kernel1"), Choice([1, 3], name="kernel2"))
    ]
    stem = nn.Sequential(Conv2d(1, width, 3, padding=1), BatchNorm2d(width), nn.ReLU())
    deep = Repeat(blocks, Choice([1, 2], name="depth"))
    return nn.Sequential(stem, deep, nn.AdaptiveAvgPool2d(2), nn.Flatten(), Linear(4 * width, CLASSES))


def feed_forward() -> nn.Module:
    """Two hidden widths, and a width around them."""
    width = Choice([4, 8], name="width")
    layers: list[nn.Module] = [nn.Flatten(), Linear(64, width)]
    for number in range(2):
        hidden = width * Choice([1, 2, 4], name=f"hidden{number}")
        layers += [LayerNorm(width), Linear(width, hidden), nn.ReLU(), Linear(hidden, width)]
    return nn.Sequential(*layers, Linear(width, CLASSES))


def cell(**arguments: Any) -> nn.Module:
    taken = {name: value for name, value in arguments.items() if name != "affine"}
    return toy_cell(SHAPE, CLASSES, width=4, dropout=0, **taken)


NESTED = (
    "bignas",
    "alphanet",
    "attentivenas",
    "shiftnas",
    "elasticvit",
    "pa-da",
    "supertickets",
    "eeea",
    "spos",
    "fairnas",
    "single-path",
    "tas",
    "layer-tying",
    "relaxed-tying",
    "attention-atoms",
    "hashed-bank",
    "mixture-of-supernets",
    "balanced-mixture",
    "few-shot",
    "gradient-matching",
    "sortednet",
    "slimmable",
    "universally-slimmable",
    "ofa",
    "lighthubert",
    "latency-pruning",
)
SHARING = {
    "mixture-of-supernets": {"only": ["1.*"]},
    "balanced-mixture": {"models": 2},
    "relaxed-tying": {"unique": 1, "ranks": [0, 2]},
    "attention-atoms": {"only": "*"},
}
"""Options that suit a supernet so small and a training so short."""


def supernet_for(each: Method) -> nas.Supernet:
    """A small space that suits the method, as it is searched."""
    torch.manual_seed(0)
    sharing = each.make_sharing(SHARING.get(each.name, {}), seed=0)
    if each.name == "matformer":
        return nas.Supernet(feed_forward(), sharing)
    return nas.Supernet(elastic() if each.name in NESTED else cell(**each.search_args), sharing)


def expected(probabilities: Mapping[str, Tensor]) -> Tensor:
    """A cost in which later candidates are dearer."""
    costs = [p @ torch.arange(2.0, 2.0 + len(p)) for p in probabilities.values()]
    return torch.stack(costs).sum()


def costs(architectures: Sequence[Architecture]) -> list[float]:
    """The same of architectures."""
    return [float(sum(2 + (value > 2) for value in each.values())) for each in architectures]


def budget_for(each: Method) -> Budget | None:
    if not each.needs_budget:
        return None
    if each.family == "differentiable":
        return ExpectedBudget(costs, bound=6.0, largest=12.0, expected=expected)
    return Budget(costs, bound=6.0, largest=12.0)


def problem_for(each: Method, supernet: nas.Supernet | None = None, **recipe: Any) -> Problem:
    return Problem(
        supernet or supernet_for(each),
        ImageData(
            "quadrants", Classification(list("abcd")), images(64), images(seed=2), images(seed=4), Augment(flip=True)
        ),
        seed=3,
        recipe=Recipe(**{"epochs": min(3, max(2, each.fewest_epochs)), "batch_size": 16, **each.recipe, **recipe}),
        learning=Learning(**{**each.learning, "warmup": 0.0, "tune_epochs": 1}),
        budget=budget_for(each),
    )


def step_of(each: Method, problem: Problem | None = None) -> Any:
    return each.phases(problem or problem_for(each))[0].step


def some_steps(each: Method, steps: int = 2, **recipe: Any) -> tuple[Any, list[dict[str, Tensor]]]:
    phase = each.phases(problem_for(each, **recipe))[0]
    optimizer = phase.recipe.make_optimizer(phase.step.model)
    phase.step.model.train()
    losses = []
    for number, (x, y) in enumerate(islice(phase.data.shuffled(16, 0), steps)):
        optimizer.zero_grad(set_to_none=True)
        losses.append(phase.take(Context(number, x, y, optimizer=optimizer), torch.autograd.backward))
        optimizer.step()
    return phase.step, losses


@every_method
def test_a_method_says_what_it_is(each: Method) -> None:
    assert METHODS[each.name] is each
    assert each.family in ("single-path", "sandwich", "nested", "differentiable", "mixture", "pruning")
    year = each.paper.removesuffix(" (reconstructed)").split(", ")[-1]
    assert year.isdigit() and 2015 < int(year) < 2030
    assert each.summary and "\n" not in each.summary
    assert each.retrain in ("no", "inherited", "fresh")


@every_method
def test_its_settings_name_fields_of_what_they_set(each: Method) -> None:
    assert Recipe(**each.recipe).model_dump().items() >= dict(each.recipe).items()
    assert Learning(**each.learning).model_dump().items() >= dict(each.learning).items()
    assert set(each.settings) <= set(RunConfig.model_fields)
    assert each.family == "differentiable" or not each.learning


@every_method
def test_a_method_runs_two_steps(each: Method) -> None:
    step, losses = some_steps(each)
    assert isinstance(step, RelaxedStep if each.family == "differentiable" else SupernetStep)
    assert all(loss and all(value.isfinite() for value in loss.values()) for loss in losses)
    fresh = dict(supernet_for(each).named_parameters())
    moved = [name for name, p in step.model.named_parameters() if not torch.equal(p, fresh[name])]
    assert len(moved) > len(fresh) / 4 / step.model.sharing.banks
    again, same = some_steps(each)
    assert same == losses
    assert all(torch.equal(p, again.model.get_parameter(name)) for name, p in step.model.named_parameters())


@every_method
def test_a_method_trains(each: Method) -> None:
    """Those that run one path a step are given more of them, or whose first level or phase is a part of all epochs."""
    epochs = {"gdas": 18, "proxyless": 18, "few-shot": 12, "gradient-matching": 24, "latency-pruning": 12}.get(
        each.name, 5
    )
    (phase, *_) = each.phases(problem_for(each, epochs=epochs, learning_rate=0.05))
    history = train_phases([phase], seed=0)
    losses = [epoch["loss_weights" if each.family == "differentiable" else "loss"] for epoch in history]
    third = max(1, len(losses) // 3)
    assert sum(losses[-third:]) < sum(losses[:third])


@differentiable
def test_architecture_parameters_move_and_stand_for_a_member_of_the_space(each: Method) -> None:
    step, losses = some_steps(each)
    fresh = step_of(each).relaxed.parameters.state_dict()
    assert any(not torch.equal(p, fresh[name]) for name, p in step.relaxed.parameters.state_dict().items())
    assert dict(step.model.space.architecture(step.derived)) == dict(step.derived)
    assert ("architecture" in losses[0]) is (Learning(**each.learning).share is not None)


@pytest.mark.parametrize("name", ["darts", "dropnas", "gdas", "snas"])
def test_no_kept_edge_passes_nothing_on(name: str) -> None:
    """Though zero be the likeliest operation of every edge."""
    each = METHODS[name]
    torch.manual_seed(0)
    step = step_of(each, problem_for(each, nas.Supernet(darts(SHAPE, CLASSES))))
    assert isinstance(step, RelaxedStep)
    with torch.no_grad():
        for edge, logits in step.relaxed.parameters.logits.items():
            logits[step.relaxed.decisions[edge].options.index("none")] += 2
    taken = [value for choice, value in step.derived.items() if "edge" in choice]
    assert len(taken) == 16 and "none" not in taken


def test_an_operation_that_passes_nothing_on_may_be_the_likeliest_where_all_edges_are_kept() -> None:
    each = METHODS["gdas"]
    step = step_of(each, problem_for(each, nas.Supernet(nasbench201(SHAPE, CLASSES))))
    assert isinstance(step, RelaxedStep)
    with torch.no_grad():
        step.relaxed.parameters.logits["edge_0_1"][0] += 2
    assert step.derived["edge_0_1"] == "none"


@pytest.mark.parametrize("make", [darts, nasbench201, toy_cell])
def test_searched_and_final_networks_have_the_same_choices(make: Callable[..., nn.Module]) -> None:
    """So that what is derived in the one can be built as the other."""
    final = nas.Supernet(make(SHAPE, CLASSES, width=8)).space.choices
    taken = signature(make).parameters
    arguments = [{n: v for n, v in each.search_args.items() if n in taken} for each in ALL]
    different = [each for each in {str(each): each for each in arguments}.values() if each]
    assert different
    for each in different:
        assert nas.Supernet(make(SHAPE, CLASSES, width=8, **each)).space.choices == final


@discrete
def test_paths_are_a_function_of_seed_and_step(each: Method) -> None:
    """Those of the last phase; a first one may train a single network."""
    problem = problem_for(each)
    steps = [each.phases(replace(problem, seed=seed))[-1].step for seed in (3, 3, 4)]
    one, two, other = ([step.paths.draw(Context(number)) for number in range(20)] for step in steps)  # type: ignore[attr-defined]
    assert one == two
    assert (one != other) is (each.family != "pruning"), "which draws nothing"


@pytest.mark.parametrize("each", [each for each in ALL if each.can_be_bounded], ids=lambda each: each.name)
def test_a_method_that_can_be_bounded_trains_what_is_near_the_bound_alone(each: Method) -> None:
    problem = problem_for(each)
    near = nas.space.ArchitectureSet([problem.space.sample(seed) for seed in range(5)])
    steps: list[Any] = [phase.step for phase in each.phases(replace(problem, feasible=near))]
    drawn = [path.architecture for step in steps for number in range(30) for path in step.paths.draw(Context(number))]
    assert set(drawn) <= set(near.architectures) and len(set(drawn)) > 2


@every_method
def test_label_smoothing_of_the_recipe_reaches_the_loss(each: Method) -> None:
    first: list[dict[str, Tensor]] = []
    for share in (0.0, 0.3):
        _, losses = some_steps(each, 1, label_smoothing=share)
        first.append(losses[0])
    changed = {role for role, loss in first[0].items() if not torch.equal(loss, first[1][role])}
    assert changed and changed >= set(first[0]) - {"random", "smallest", "small"}, "but for those that others teach"


@pytest.mark.parametrize("each", [each for each in ALL if each.needs_budget], ids=lambda each: each.name)
def test_a_method_that_keeps_a_cost_asks_for_a_budget(each: Method) -> None:
    with pytest.raises(UsageError, match="was given none"):
        each.phases(replace(problem_for(each), budget=None))


def test_partial_channels_are_asked_for() -> None:
    problem = problem_for(METHODS["pc-darts"], nas.Supernet(elastic()))
    with pytest.raises(UsageError, match=r"has no nas\.nn\.PartialChannels; use a space that takes partial_channels"):
        METHODS["pc-darts"].phases(problem)


PARTS: dict[str, tuple[type, Callable[..., Any]]] = {
    "darts": (relaxations.Softmax, first_order),
    "darts-2nd": (relaxations.Softmax, unrolled),
    "darts-pt": (relaxations.Softmax, first_order),
    "pc-darts": (relaxations.Softmax, first_order),
    "sd-darts": (relaxations.Softmax, first_order),
    "gdas": (relaxations.GumbelStraightThrough, first_order),
    "snas": (relaxations.Concrete, first_order),
    "proxyless": (relaxations.BinaryGates, first_order),
    "dropnas": (relaxations.GroupDropout, first_order),
    "sharpdarts": (relaxations.MaxW, first_order),
    "single-path": (relaxations.Thresholds, first_order),
    "tanglenas": (relaxations.Dirichlet, first_order),
    "tas": (relaxations.SampledSizes, first_order),
}
ONE_LEVEL = {"snas", "dropnas", "single-path"}


@differentiable
def test_published_parts(each: Method) -> None:
    step = step_of(each)
    assert isinstance(step, RelaxedStep)
    kind, estimator = PARTS[each.name]
    kinds = {type(each) for name, each in step.relaxed._relaxations.items() if name != "depth"}
    assert kinds == {kind} and step.estimator is estimator
    assert (step.stream is None) is (each.name in ONE_LEVEL)


@pytest.mark.parametrize("name", ["bignas", "universally-slimmable"])
def test_labels_are_learnt_through_the_largest_only(name: str) -> None:
    step = step_of(METHODS[name])
    assert isinstance(step, SupernetStep)
    labels, distillation = step.objective
    logits, teacher = torch.zeros(2, 3), {"largest": torch.ones(2, 3)}
    for role in ("random", "smallest"):
        forward = Forward(logits, torch.tensor([0, 1]), role, teacher)
        assert labels(forward) is None
        assert distillation(forward) is not None
    assert labels(Forward(logits, torch.tensor([0, 1]), "largest", {})) is not None


def test_an_unknown_method_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="method 'bignass' is not known; did you mean 'bignas'"):
        METHODS["bignass"]
