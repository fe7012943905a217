"""Gates in a space that is cut: every region has its own, and one region is the whole space to the bit."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CLASSES, check_resumed, elastic, operations, split
from torch import Tensor, nn

import nas
from nas.data import Augment, ImageData
from nas.evaluation import SharedWeights
from nas.methods import METHODS
from nas.methods.differentiable import without_zero
from nas.nn import Cell, OneOf, Zero
from nas.problem import ExpectedBudget, Problem
from nas.sharing import FewShot, Partition, Shared, Sharing
from nas.space import Choice, Subset
from nas.supernet import Relaxed
from nas.supernet.relaxations import BinaryGates, GumbelStraightThrough, Relaxation, Softmax
from nas.tasks import Classification
from nas.training import Context, Epoch, Learning, Phase, Recipe, RelaxedRegions, RelaxedStep, train_phases

RECIPE = Recipe(epochs=4, batch_size=8, learning_rate=0.05, weight_decay=0.01, warmup_epochs=0.0)
PER_EPOCH = 2
"""Half of 32 images teach the weights."""
LEARNING = Learning(learning_rate=0.05)
LEARNING_OF = {
    base: Learning(reach=1.0, share=METHODS[base].learning.get("share", 0.5))
    for base in ("darts", "darts-2nd", "gdas", "proxyless", "dropnas", "snas")
}
TASK = Classification([str(each) for each in range(CLASSES)])
RELAXATIONS: dict[str, Relaxation] = {"darts": Softmax(), "gdas": GumbelStraightThrough(), "proxyless": BinaryGates()}
X = split().images[:4]


def cells() -> nn.Module:
    """Two cells with the same choices, whose second node keeps one of two edges."""
    torch.manual_seed(0)
    names = ("none", "skip", "k1", "k3")
    choices = {edge: Choice(names, name="edge_{}_{}".format(*edge)) for edge in ((0, 1), (0, 2), (1, 2))}
    kept = Subset([0, 1], size=1, name="kept")

    def edge(choice: Choice) -> OneOf:
        kinds = (Zero(), nn.Identity(), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1))
        return OneOf(dict(zip(names, kinds, strict=True)), choice)

    made = [Cell({place: edge(choice) for place, choice in choices.items()}, kept={2: kept}) for _ in range(2)]
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, CLASSES)]
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *made, *head)


def problem(sharing: Sharing, model: nn.Module | None = None, learning: Learning = LEARNING) -> Problem:
    supernet = nas.Supernet(model or operations().model, sharing)
    data = ImageData("noise", TASK, split(), split(seed=1), split(seed=2), Augment())
    budget = ExpectedBudget(
        costs=lambda architectures: [10.0] * len(architectures),
        bound=5.0,
        largest=10.0,
        expected=lambda chances: 2 + 8 * torch.stack([values[-1] for values in chances.values()]).mean(),
    )
    return Problem(supernet, data, recipe=RECIPE, learning=learning, budget=budget)


def made(
    method: str, model: nn.Module | None = None, learning: Learning = LEARNING, /, steps: str = "total", **sharing: Any
) -> list[Phase]:
    """The phases of a method with these options of its sharing scheme."""
    part = METHODS[method]
    given = problem(part.make_sharing(sharing, seed=0), model, learning)
    return list(part.phases(given, **part.check_options({"steps": steps})))


def few_shot(method: str = "few-shot:darts", **options: Any) -> list[Phase]:
    return made(method, **{"choices": "layer0", **options})


def regions_of(phases: Sequence[Phase]) -> RelaxedRegions:
    step = phases[0].step
    assert isinstance(step, RelaxedRegions) and all(each.step is step for each in phases)
    return step


def logits_of(step: RelaxedStep) -> dict[str, Tensor]:
    return {name: values.detach().clone() for name, values in step.relaxed.parameters.logits.items()}


def moments_of(step: RelaxedStep) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in step.state().items() if name.startswith("moments/")}


def alike(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return some.keys() == others.keys() and all(torch.equal(others[name], value) for name, value in some.items())


def timeless(history: list[Epoch]) -> Any:
    left_out = ("images_per_second", "gradient_passes")
    epochs = [{name: value for name, value in epoch.items() if name not in left_out} for epoch in history]
    return json.loads(json.dumps(epochs))


@pytest.mark.parametrize("split_at", [[], [0.0, 0.3, 0.7]], ids=["one level", "three levels"])
@pytest.mark.parametrize("base", LEARNING_OF)
def test_one_region_is_the_method_itself_bit_for_bit(base: str, split_at: list[float]) -> None:
    """Though gradients are compared on the way."""
    phases = made(f"gradient-matching:{base}", None, LEARNING_OF[base], groups=1, split_at=split_at, repeats=1)
    (plain,) = METHODS[base].phases(problem(Shared(), None, LEARNING_OF[base]))
    without = [replace(plain, recipe=phase.recipe, name=phase.name) for phase in phases]
    assert len(phases) == max(1, len(split_at))
    history, found = train_phases(without, seed=7), train_phases(phases, seed=7)
    assert timeless(found) == timeless(history)
    assert sum(epoch.get("gradient_passes", 0) for epoch in found) == 3 * 3 * len(split_at)
    assert isinstance(plain.step, RelaxedStep)
    (step,) = regions_of(phases).used
    assert alike(plain.step.state(), step.state())
    assert alike(plain.step.model.model.state_dict(), step.model.model.state_dict())
    assert regions_of(phases).proposals == [plain.step.derived]


@pytest.mark.parametrize("base", ["darts", "gdas", "proxyless"])
def test_new_regions_go_on_from_the_one_that_was_there(base: str) -> None:
    first, second = phases = few_shot(f"few-shot:{base}")
    train_phases(phases, seed=7, until=first.recipe.epochs)
    regions, scheme = regions_of(phases), regions_of(phases).scheme
    assert scheme.used == 1 and moments_of(regions.steps[0])
    for each in second.observers:
        each.begin(Context(PER_EPOCH * first.recipe.epochs, phase=1))
    assert scheme.used == 3
    for bank in (1, 2):
        step = regions.steps[bank]
        assert alike(logits_of(regions.steps[0]), logits_of(step))
        assert alike(moments_of(regions.steps[0]), moments_of(step))
        assert alike(scheme.tensors(0), scheme.tensors(bank))
    with torch.no_grad():
        for values in (*regions.steps[1].relaxed.parameters.parameters(), *_state_of(regions.steps[1])):
            values.add_(1.0)
    assert alike(logits_of(regions.steps[0]), logits_of(regions.steps[2])), "they share no memory"
    assert alike(moments_of(regions.steps[0]), moments_of(regions.steps[2]))
    assert not alike(moments_of(regions.steps[0]), moments_of(regions.steps[1]))


def _state_of(step: RelaxedStep) -> list[Tensor]:
    return [value for state in step.optimizer.state.values() for value in state.values()]


@pytest.mark.parametrize("base", ["darts", "gdas", "proxyless"])
def test_a_region_trains_by_itself(base: str) -> None:
    """In each step the weights and the architecture parameters of one bank move, and none of another."""
    phases = few_shot(f"few-shot:{base}", split_at=0.0)
    (phase,) = phases
    regions, scheme = regions_of(phases), regions_of(phases).scheme
    for each in phase.observers:
        each.begin(Context(0))
    optimizer = RECIPE.make_optimizer(regions.model)
    regions.model.train()
    for number in range(6):
        before = [(_all_of(scheme, regions, bank)) for bank in range(3)]
        optimizer.zero_grad(set_to_none=True)
        x, y = next(iter(phase.data.shuffled(8, number)))
        phase.take(Context(number, x, y, recipe=RECIPE, position=number, steps_per_epoch=8, optimizer=optimizer), back)
        optimizer.step()
        moved = [not alike(old, _all_of(scheme, regions, bank)) for bank, old in enumerate(before)]
        assert moved == [bank == number % 3 for bank in range(3)]


back = torch.autograd.backward


def _all_of(scheme: Partition, regions: RelaxedRegions, bank: int) -> dict[str, Tensor]:
    weights = {name: tensor.detach().clone() for name, tensor in scheme.tensors(bank).items()}
    return {**weights, **logits_of(regions.steps[bank])}


def cut_in_two(model: nn.Module, choice: str = "layer0", groups: Sequence[Sequence[int]] = ((0, 1), (2,))) -> Any:
    supernet = nas.Supernet(model, Partition(models=2))
    assert isinstance(supernet.sharing, Partition)
    supernet.sharing.split(0, choice, groups)
    return supernet


@pytest.mark.parametrize("name", RELAXATIONS)
def test_options_outside_of_the_region_do_not_exist(name: str) -> None:
    """Their probability is zero to the bit, none ever runs, in backward passes neither, and nothing leads to them."""
    supernet = cut_in_two(operations().model).train()
    relaxed = Relaxed(supernet, RELAXATIONS[name], seed=3, bank=0)
    logits = relaxed.parameters.logits
    with torch.no_grad():
        logits["layer0"].copy_(torch.tensor([0.5, -0.5, 50.0]))
    ran: list[int] = []
    supernet.model.get_submodule("layer0.k3").register_forward_hook(lambda *_: ran.append(1))
    supernet(X)
    assert ran.pop() and relaxed.there("layer0") == (0, 1)
    for step in range(8):
        gates = relaxed.draw(step, 0.5)
        assert gates["layer0"].values.tolist()[2] == 0.0 and 2 not in gates["layer0"].active
        assert relaxed.draw_for_weights(step, 0.5)["layer0"].values.tolist()[2] == 0.0
        relaxed.follow(gates)
        back(supernet(X).square().sum())
        gradient = logits["layer0"].grad
        assert gradient is not None and float(gradient[2]) == 0.0 and float(gradient[0]) != 0.0
    assert not ran
    assert relaxed.probabilities()["layer0"].tolist()[2] == 0.0
    assert sum(relaxed.distribution()["layer0"].tolist()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", RELAXATIONS)
def test_a_choice_with_one_candidate_left_is_decided(name: str) -> None:
    relaxed = Relaxed(cut_in_two(operations().model), RELAXATIONS[name], seed=3, bank=1)
    gates = relaxed.draw(0, 0.0)
    assert gates["layer0"].values.tolist() == [0.0, 0.0, 1.0] and gates["layer0"].active == (2,)
    assert relaxed.probabilities()["layer0"].tolist() == [0.0, 0.0, 1.0]
    relaxed.follow(gates)
    back(relaxed.supernet(X).square().sum())
    assert relaxed.parameters.logits["layer0"].grad is None
    assert relaxed.parameters.logits["layer1"].grad is not None


@pytest.mark.parametrize("name", RELAXATIONS)
def test_sizes_outside_of_the_region_do_not_exist_either(name: str) -> None:
    supernet = cut_in_two(elastic().model, "width", ((0, 1), (2,)))
    relaxed = Relaxed(supernet, RELAXATIONS[name], seed=3, bank=0)
    relaxed.follow(relaxed.draw(0, 0.0))
    supernet(X)
    relaxed.follow(relaxed.draw(1, 0.0))
    wide = supernet.model[0].state.widths["out_channels"]
    assert wide.count <= 4
    back(supernet(X).square().sum())
    gradient = relaxed.parameters.logits["width"].grad
    assert gradient is not None and float(gradient[2]) == 0.0 and bool(gradient[:2].any())


def test_the_mixture_of_a_region_is_that_of_the_whole_space_without_its_other_options() -> None:
    supernet = cut_in_two(operations().model).eval()
    relaxed = Relaxed(supernet, Softmax(), seed=3, bank=0)
    whole = nas.Supernet(operations().model).eval()
    assert isinstance(supernet.sharing, Partition)
    whole.model.load_state_dict(supernet.model.state_dict())
    other = Relaxed(whole, Softmax(), seed=3)
    with torch.no_grad():
        other.parameters.logits["layer0"][2] = -torch.inf
    for each in (relaxed, other):
        each.follow(each.draw(0, 0.0))
    torch.testing.assert_close(supernet(X), whole(X))


def test_gates_see_the_weights_of_their_bank() -> None:
    supernet = cut_in_two(operations().model).eval()
    relaxed = [Relaxed(supernet, Softmax(), seed=3, bank=bank) for bank in range(2)]
    gates = {**relaxed[0].draw(0, 0.0), "layer0": relaxed[1].draw(0, 0.0)["layer0"]}
    outputs = []
    for bank in range(2):
        relaxed[1].bank = bank
        relaxed[1].follow(gates)
        outputs.append(supernet(X))
        assert supernet.bank == bank
    assert torch.equal(*outputs), "copies"
    with torch.no_grad():
        supernet.sharing.tensors(1)["head.3.bias"].add_(1.0)
    torch.testing.assert_close(supernet(X), outputs[1] + 1.0)


@pytest.mark.parametrize("name", RELAXATIONS)
def test_gates_learn_what_they_learn_in_a_supernet_of_these_weights(name: str) -> None:
    """Also from options that do not run, whose outputs are computed in the backward pass."""
    supernet = cut_in_two(operations().model)
    scheme = supernet.sharing
    with torch.no_grad():
        for tensor in scheme.tensors(1).values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor))
    alone = operations()
    alone.model.load_state_dict(scheme.tensors(1))
    drawn = Relaxed(supernet, RELAXATIONS[name], seed=3, bank=1).draw(0, 0.0)
    gradients = []
    for net, relaxed in (
        (supernet, Relaxed(supernet, RELAXATIONS[name], seed=3, bank=1)),
        (alone, Relaxed(alone, RELAXATIONS[name], seed=3)),
    ):
        gates = {key: replace(gate, values=gate.values.detach().requires_grad_()) for key, gate in drawn.items()}
        relaxed.follow(gates)
        loss = net.eval()(X).square().sum()
        relaxed.follow(relaxed.draw(1, 0.0))
        gradients.append(torch.autograd.grad(loss, [gates["layer1"].values, gates["layer2"].values]))
    for ours, theirs in zip(*gradients, strict=True):
        assert ours.count_nonzero() == 3
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("base", ["darts", "gdas", "proxyless"])
@pytest.mark.parametrize("method", ["few-shot", "gradient-matching"])
def test_what_a_region_derives_lies_within_it(method: str, base: str) -> None:
    sharing: dict[str, Any] = {"choices": "edge_0_2"} if method == "few-shot" else {"repeats": 1}
    phases = made(f"{method}:{base}", cells(), **sharing)
    history = train_phases(phases, seed=7)
    regions = regions_of(phases)
    space, scheme = regions.model.space, regions.scheme
    assert scheme.used == 4
    for bank, step in enumerate(regions.used):
        (row,) = space.indices([step.derived])
        for name, position in zip(space.choices, row.tolist(), strict=True):
            assert position < 0 or position in scheme.region(bank)[name]
        assert scheme.bank_of(step.derived) in (0, bank)
        if method == "few-shot" and bank:
            assert step.derived["kept"] == (0,) and step.derived["edge_0_2"] == ("none", "skip", "k1", "k3")[bank]
    recorded = history[-1]["architecture"]["derived_by_bank"]
    assert recorded == [json.loads(step.derived.to_json()) for step in regions.used]


def test_zero_is_taken_only_where_a_region_has_nothing_else() -> None:
    supernet = nas.Supernet(cells(), Partition(models=2))
    scheme = supernet.sharing
    assert isinstance(scheme, Partition)
    scheme.split(0, "edge_0_1", [(0,), (1, 2, 3)])
    assert without_zero(Relaxed(supernet, Softmax(), seed=0, bank=0))["edge_0_1"] == "none"
    relaxed = Relaxed(supernet, Softmax(), seed=0, bank=1)
    assert without_zero(relaxed)["edge_0_1"] in ("skip", "k1", "k3")


def test_the_best_architecture_on_validation_comes_first() -> None:
    phases = few_shot()
    train_phases(phases, seed=7)
    regions = regions_of(phases)
    given: list[Any] = []
    order = regions.best_first
    regions.best_first = lambda some: given.extend(some) or order(some)
    proposals = regions.proposals
    assert given == list(dict.fromkeys(step.derived for step in regions.used)) and len(given) == 3
    assert sorted(proposals, key=given.index) == given
    data = ImageData("noise", TASK, split(), split(seed=1), split(seed=2), Augment())
    scores = [tally.score for tally in SharedWeights(regions.model, data).tallies(list(proposals), data.validation)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1


@pytest.mark.parametrize("method", ["few-shot:darts", "few-shot:gdas", "gradient-matching:darts"])
def test_a_training_that_goes_on_ends_like_one_that_was_not_stopped(method: str, tmp_path: Path) -> None:
    sharing: dict[str, Any] = {"choices": "layer0"} if method.startswith("few") else {"repeats": 1}
    ends: list[list[Phase]] = []

    def run(**options: Any) -> nas.Supernet:
        ends.append(phases := made(method, **sharing))
        train_phases(phases, seed=7, **options)
        return regions_of(phases).model

    check_resumed(run, tmp_path / "supernet.safetensors")
    first, last = regions_of(ends[0]), regions_of(ends[-1])
    assert first.scheme.divisions == last.scheme.divisions and first.scheme.used > 2
    assert alike(first.state(), last.state())
    assert first.proposals == last.proposals


@pytest.mark.parametrize("every", [1, 2, 3])
def test_regions_learn_equally_often_and_from_batches_of_their_own(every: int) -> None:
    learning = LEARNING.model_copy(update={"every": every})
    (phase,) = phases = made("few-shot:darts", None, learning, choices="layer0", split_at=0.0)
    regions = regions_of(phases)
    for each in phase.observers:
        each.begin(Context(0))
    learnt, batches = [0, 0, 0], list[int]()
    for step in regions.steps:
        assert step.stream is not None
    stream = regions.steps[0].stream
    assert stream is not None
    at = stream.at
    stream.at = lambda number: batches.append(number) or at(number)  # type: ignore[method-assign]
    optimizer, steps = RECIPE.make_optimizer(regions.model), 18
    for number in range(steps):
        x, y = next(iter(phase.data.shuffled(8, number)))
        before = [logits_of(step) for step in regions.steps]
        where = Context(
            number, x, y, recipe=RECIPE.model_copy(update={"epochs": 1}), position=number, steps_per_epoch=steps,
            optimizer=optimizer,
        )  # fmt: skip
        phase.take(where, back)
        for bank, step in enumerate(regions.steps):
            learnt[bank] += not alike(before[bank], logits_of(step))
    assert learnt == [6 // every] * 3
    assert len(set(batches)) == len(batches) == sum(learnt)
    assert all(later - earlier == 1 for earlier, later in pairwise(batches))


def test_architecture_parameters_may_wait_for_the_last_level() -> None:
    part = METHODS["gradient-matching:darts"]
    given = problem(part.make_sharing({"repeats": 1}, seed=0))
    phases = list(part.phases(given, **part.check_options({"learnt_in": "last"})))
    step = regions_of(phases).steps[0]
    first = logits_of(step)
    seen: list[bool] = []
    train_phases(phases, seed=7, on_epoch=lambda epoch: seen.append(alike(first, logits_of(step))))
    assert [phase.recipe.epochs for phase in phases] == [1, 1, 2] and seen == [True, True, False, False]


@pytest.mark.parametrize(
    ("steps", "split_at", "factor"), [("total", [0.5], 4 / 3), ("total", [0.25, 0.5], 2.0), ("per-bank", [0.5], 1.0)]
)
def test_logits_reach_as_far_in_a_region_as_in_the_whole_space(
    steps: str, split_at: list[float], factor: float
) -> None:
    """A region has fewer steps, so its architecture parameters learn faster."""
    learning = Learning(reach=1e-3)
    (plain,) = METHODS["darts"].phases(problem(Shared(), None, learning))
    phases = made("gradient-matching:darts", None, learning, steps=steps, split_at=split_at, repeats=1)
    assert isinstance(plain.step, RelaxedStep)
    rates = [step.optimizer.param_groups[0]["lr"] for step in (plain.step, *regions_of(phases).steps)]
    assert rates[1:] == pytest.approx([factor * rates[0]] * len(regions_of(phases).steps))


@pytest.mark.parametrize(
    ("method", "sharing", "sentence"),
    [
        ("few-shot:darts", {"choices": "kept"}, "sharing_args.choices names 'kept', but gates weigh the elements"),
        ("few-shot:darts-pt", {"choices": "edge_0_1"}, "method 'darts-pt' learns the gates of one supernet"),
        ("few-shot:sd-darts", {"choices": "edge_0_1"}, "method 'sd-darts' learns the gates of one supernet"),
        ("few-shot:single-path", {"choices": "edge_0_1"}, "single-path compares the weights of one supernet"),
        ("few-shot:few-shot:darts", {"choices": "edge_0_1"}, "'few-shot:darts' does not learn gates in one phase"),
    ],
)
def test_what_regions_cannot_learn_is_refused(method: str, sharing: dict[str, Any], sentence: str) -> None:
    with pytest.raises(nas.UsageError, match=sentence):
        made(method, cells(), **sharing)


def test_gates_are_learnt_by_differentiable_methods_alone() -> None:
    with pytest.raises(nas.UsageError, match="'few-shot:spos' is to learn gates, but 'spos' learns none"):
        METHODS["few-shot:spos"]
    with pytest.raises(nas.UsageError, match="method 'nothing' is not known"):
        METHODS["gradient-matching:nothing"]


def test_gates_without_a_bank_are_refused_where_the_space_may_be_cut() -> None:
    supernet = nas.Supernet(operations().model, FewShot(choices="layer0"))
    gates = {name: torch.ones(len(options)) for name, options in supernet.options.items()}
    with pytest.raises(nas.UsageError, match="FewShot must be told in whose region they mix"):
        supernet.mix(gates)
    with pytest.raises(nas.UsageError, match="gates of one bank need regions, but Shared cuts none"):
        Relaxed(operations(), Softmax(), seed=0, bank=0)
