"""Progressive shrinking: what opens when, what stays the same, and who teaches."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import check_resumed
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.methods import METHODS
from nas.methods.channel_sorting import ChannelSorting
from nas.methods.frozen_teacher import FrozenTeacher
from nas.problem import Problem
from nas.sharing import KernelTransforms
from nas.space import Choice
from nas.training import Context, Forward, Phase, SupernetStep, total_epochs, train_phases
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.resnet import resnet
from search_spaces.transformer_lm import transformer_lm

SHAPE = (1, 8, 8)
PUBLISHED = ["largest", "kernel", "depth", "depth", "width", "width"]


def problem(epochs: int = 24, model: nn.Module | None = None, **extra: Any) -> Problem:
    torch.manual_seed(0)
    model = model or mobilenet(SHAPE, 10, (8,), (1,), (1.0,), (1, 2, 3), (3, 5, 7), (3, 4, 6), stem=8, head=8)
    supernet = nas.Supernet(model, KernelTransforms(), SHAPE, extra=extra)
    recipe = nas.Recipe(epochs=epochs, batch_size=32, learning_rate=0.05)
    return Problem(supernet, nas.data.load("digits", limit=96), 3, recipe)


def phases_of(given: Problem) -> list[Phase]:
    return list(METHODS["ofa"].phases(given))


def drawn(phase: Phase, steps: int = 60) -> list[nas.Architecture]:
    assert isinstance(phase.step, SupernetStep)
    return [path.architecture for step in range(steps) for path in phase.step.paths.draw(Context(step))]


def seen(architectures: list[nas.Architecture], end: str) -> set[Any]:
    return {value for each in architectures for name, value in each.items() if name.endswith(end)}


@torch.no_grad()
def outputs(given: Problem, architectures: list[nas.Architecture]) -> list[Tensor]:
    x, _ = next(iter(given.data.validation.batches(16)))
    given.supernet.eval()
    found = []
    for architecture in architectures:
        given.supernet.activate(architecture)
        found.append(given.supernet(x))
    return found


# What opens when


def test_kernels_depths_and_widths_open_one_after_another() -> None:
    phases = phases_of(problem(590))
    assert [phase.name for phase in phases] == PUBLISHED
    assert [phase.recipe.epochs for phase in phases] == [180, 120, 25, 120, 25, 120]
    open_in = [tuple(seen(drawn(phase), end) for end in ("kernel", "depth", "expansion")) for phase in phases]
    every = {3, 5, 7}
    assert open_in == [
        ({7}, {3}, {6}),
        (every, {3}, {6}),
        (every, {2, 3}, {6}),
        (every, {1, 2, 3}, {6}),
        (every, {1, 2, 3}, {4, 6}),
        (every, {1, 2, 3}, {3, 4, 6}),
    ]
    assert [len(drawn(phase, 1)) for phase in phases] == [1, 1, 2, 2, 4, 4]


@pytest.mark.parametrize(
    ("epochs", "names"),
    [(2, ["largest", "width"]), (3, ["largest", "kernel", "width"]), (12, ["largest", "kernel", "depth", "width"])],
)
def test_a_stage_without_an_epoch_opens_with_the_next(epochs: int, names: list[str]) -> None:
    phases = phases_of(problem(epochs))
    assert list(dict.fromkeys(phase.name for phase in phases)) == names
    assert total_epochs(phases) == epochs
    last = drawn(phases[-1])
    assert [seen(last, end) for end in ("kernel", "depth", "expansion")] == [{3, 5, 7}, {1, 2, 3}, {3, 4, 6}]


def test_spaces_that_lack_a_kind_have_fewer_phases() -> None:
    width, depth = Choice([2, 4], name="width"), Choice([1, 2], name="depth")
    blocks = [nas.nn.Conv2d(width, width, 3, padding=1) for _ in range(2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nas.nn.Linear(width, 10)]
    model = nn.Sequential(nas.nn.Conv2d(1, width, 3), nas.nn.Repeat(blocks, depth), *head)
    phases = phases_of(problem(60, model))
    assert [phase.name for phase in phases] == ["largest", "depth", "width"]
    assert [name for name, _ in phases[0].step.model.named_parameters() if "sharing" in name] == []
    assert [phase.name for phase in phases_of(problem(60, resnet(SHAPE, 10, widths=(4, 8))))][-1] == "width"


def test_a_language_model_shrinks_too() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(transformer_lm((6,), 7, (8, 16), (1, 2), (1, 2), 4), KernelTransforms())
    given = problem(60)
    phases = METHODS["ofa"].phases(Problem(supernet, given.data, 0, given.recipe))
    assert [phase.name for phase in phases] == ["largest", "depth", "width", "width"]
    assert seen(drawn(phases[1]), "heads") == {2} and seen(drawn(phases[2]), "heads") == {1, 2}


def test_choices_of_another_kind_are_open_from_the_beginning() -> None:
    first = phases_of(problem(image_size=[6, 8]))[0]
    assert seen(drawn(first), "image_size") == {6, 8}


def test_what_cannot_shrink_is_refused() -> None:
    with pytest.raises(UsageError, match="ofa opens kernels, depths and widths one after another, but no choice"):
        phases_of(problem(model=chain(SHAPE, 10, layers=(1, 1), width=4, head=8)))
    with pytest.raises(UsageError, match=r"needs two epochs or more, but training\.epochs is 1"):
        phases_of(problem(1))


# What stays the same


def test_opening_a_phase_changes_no_network_that_was_trained_before() -> None:
    given = problem()
    phases = phases_of(given)
    moved = 0
    for before, after in pairwise(phases):
        train_phases([Phase(before.step, before.data, before.recipe, listeners=before.listeners, until=1)], seed=0)
        trained = list(dict.fromkeys(drawn(before, 8)))
        then, weights = outputs(given, trained), [p.detach().clone() for p in given.supernet.parameters()]
        for each in after.observers:
            each.begin(Context(0, phase=phases.index(after)))
        sorts = not all(map(torch.equal, weights, given.supernet.parameters()))
        moved += sorts
        for one, other in zip(then, outputs(given, trained), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4 * sorts, atol=1e-4 * sorts)
    assert moved == 2, "channels are sorted before both steps of widths"


def test_the_transforms_of_kernels_learn() -> None:
    given = problem(8)
    train_phases(phases_of(given), seed=0)
    assert all(float(p.detach().abs().max()) > 0 for p in given.supernet.sharing.parameters())


def test_channels_are_in_order_and_those_of_a_trained_width_among_themselves() -> None:
    given = problem()
    supernet, name = given.supernet, "stage1.1.expansion"
    x, _ = next(iter(given.data.train.batches(16)))
    project = supernet.model.get_submodule("stage1.1.project.0").get_parameter("weight")
    sizes = [24, 32, 48]
    for allowed, bands in (((6,), [(0, sizes[2])]), ((4, 6), [(0, sizes[1]), (sizes[1], sizes[2])])):
        with torch.no_grad():
            project.copy_(torch.randn(project.shape, generator=torch.Generator().manual_seed(len(bands))))
        norms = project.detach().abs().sum((0, 2, 3))
        before = {each: (6,) for each in supernet.space.choices if each.endswith("expansion")} | {name: allowed}
        sorting = ChannelSorting(supernet, before, x)
        sorting.begin(Context(0))
        assert sorting.record()["sorted_widths"] >= 1 and not sorting.record()
        now = project.detach().abs().sum((0, 2, 3))
        for start, stop in bands:
            torch.testing.assert_close(now[start:stop], norms[start:stop].sort(descending=True).values)


def test_a_width_that_meets_another_in_its_own_way_keeps_its_order() -> None:
    class Rolled(nn.Module):
        """Adds channels to their neighbours, so that their order matters."""

        def __init__(self, width: Choice) -> None:
            super().__init__()
            self.first, self.second = nas.nn.Conv2d(1, width, 3), nas.nn.Conv2d(width, 10, 6)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            z: Tensor = self.second(y + y.roll(1, 1)).flatten(1)
            return z

    given = problem(model=Rolled(Choice([4, 8], name="width")))
    before = [p.detach().clone() for p in given.supernet.parameters()]
    sorting = ChannelSorting(given.supernet, {"width": [8]}, torch.randn(4, *SHAPE))
    sorting.begin(Context(0))
    assert all(map(torch.equal, before, given.supernet.parameters())) and not sorting.record()


# Who teaches


def test_the_largest_network_teaches_as_it_was_after_the_first_phase() -> None:
    given = problem(4)
    phases = phases_of(given)
    x, y = next(iter(given.data.train.batches(8)))
    assert isinstance(phases[0].step, SupernetStep) and isinstance(phases[-1].step, SupernetStep)
    assert not any(isinstance(term, FrozenTeacher) for term in phases[0].step.objective)
    (teacher,) = (term for term in phases[-1].step.objective if isinstance(term, FrozenTeacher))
    assert not teacher.state()
    train_phases(phases, seed=0)
    first = problem(4)
    train_phases(phases_of(first)[:1], seed=0)
    (then,) = outputs(first, [first.supernet.space.largest()])
    pixels, _ = next(iter(given.data.validation.batches(16)))
    with torch.no_grad():
        torch.testing.assert_close(teacher.network(pixels), then)
    logits = torch.randn(8, 10, requires_grad=True)
    loss = teacher(Forward(logits, y, "random", {}, x))
    assert loss is not None
    with torch.no_grad():
        target = teacher.network(x).softmax(1)
    torch.testing.assert_close(loss, nn.functional.kl_div(logits.log_softmax(1), target, reduction="batchmean"))
    assert not any(p.grad is not None for p in teacher.network.parameters())


def test_a_training_killed_after_every_epoch_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def run(**options: Any) -> nas.Supernet:
        made = problem(5)
        train_phases(phases_of(made), seed=3, **options)
        return made.supernet

    check_resumed(run, tmp_path / "net.safetensors")
