"""A step of a relaxed supernet: who learns from which batch, what rests, and that a stopped run goes on as it was."""

import json
import math
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CLASSES, split, take
from torch import Tensor, nn

import nas
from nas.data import Augment
from nas.nn import Cell, OneOf, PartialChannels, Zero
from nas.search import derive
from nas.space import Architecture, Choice, Subset
from nas.streams import Stream
from nas.supernet import Relaxed
from nas.supernet.relaxations import (
    BinaryGatePairs,
    BinaryGates,
    GroupDropout,
    GumbelStraightThrough,
    Relaxation,
    Softmax,
)
from nas.tasks import Classification
from nas.training import (
    BatchStream,
    CrossEntropy,
    Entropy,
    Epoch,
    Estimator,
    Learning,
    LossTerm,
    Phase,
    Recipe,
    RelaxedStep,
    SelfDistillation,
    first_order,
    train,
    unrolled,
)
from nas.training.objectives import Forward
from nas.training.phase import state_of_all
from nas.training.steps import Backward

TASK = Classification(["cat", "dog", "owl"])
WEIGHTS, OWN = split(32, seed=0), split(24, seed=1)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05, weight_decay=0.01)
PER_EPOCH = 4
LEARNING = Learning(learning_rate=0.05)
ONE_LEVEL = LEARNING.model_copy(update={"share": None})


def network(dropout: float = 0.2, parts: int = 1) -> nas.Supernet:
    """Two cells that share the choices of three edges; the last node keeps one of two."""
    torch.manual_seed(0)
    names = ("none", "skip", "k1", "k3")
    choices = {edge: Choice(names, name="edge_{}_{}".format(*edge)) for edge in ((0, 1), (0, 2), (1, 2))}
    kept = Subset([0, 1], size=1, name="kept")
    width = 4 // parts

    def edge(choice: Choice) -> nn.Module:
        kinds = (Zero(), nn.Identity(), _conv(width, 1), _conv(width, 3))
        operations = OneOf(dict(zip(names, kinds, strict=True)), choice)
        return operations if parts == 1 else PartialChannels(operations, 4, parts)

    cells = [Cell({place: edge(choice) for place, choice in choices.items()}, kept={2: kept}) for _ in range(2)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(16, CLASSES))
    stem = nn.Conv2d(1, 4, 3, padding=1)
    return nas.Supernet(
        nn.Sequential(OrderedDict([("stem", stem), ("cell1", cells[0]), ("cell2", cells[1]), ("head", head)]))
    )


def _conv(width: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width, affine=False), nn.ReLU()
    )


def most_likely(relaxed: Relaxed) -> Architecture:
    return derive(relaxed.supernet.space, relaxed.arrays(), options=relaxed.supernet.options)


def make(
    relaxation: Relaxation,
    learning: Learning = LEARNING,
    *,
    estimator: Estimator = first_order,
    subsets: Relaxation | None = None,
    objective: Callable[[Relaxed], list[LossTerm]] = lambda relaxed: [CrossEntropy()],
    **net: Any,
) -> RelaxedStep:
    relaxed = Relaxed(network(**net), relaxation, 5, subsets)
    return RelaxedStep(
        relaxed,
        learning,
        objective(relaxed),
        None if learning.share is None else BatchStream(OWN, RECIPE.batch_size, (5, 1), Augment(flip=True)),
        steps=PER_EPOCH * RECIPE.epochs,
        rule=most_likely,
        estimator=estimator,
    )


class Watched(CrossEntropy):
    """Cross-entropy that remembers the role and the images of each pass."""

    def __call__(self, forward: Forward) -> Tensor | None:
        assert forward.input is not None
        SEEN.append((forward.role, forward.input.clone()))
        return super().__call__(forward)


SEEN: list[tuple[str, Tensor]] = []


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    SEEN.clear()


def watched(relaxed: Relaxed) -> list[LossTerm]:
    return [Watched()]


def logits_of(step: RelaxedStep) -> dict[str, Tensor]:
    return {name: logits.detach().clone() for name, logits in step.relaxed.parameters.logits.items()}


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return any(not torch.equal(after[name], tensor) for name, tensor in before.items())


def momentum_of(step: RelaxedStep, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state
    return {n: state[p]["momentum_buffer"].clone() for n, p in step.model.named_parameters() if p in state}


def nothing(number: int) -> None:
    """Looks away."""


def by_hand(
    step: RelaxedStep,
    steps: int,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    before: Callable[[int], None] = nothing,
    backward: Backward = torch.autograd.backward,
    after: Callable[[int], None] = nothing,
) -> None:
    """Steps like those of the training loop, with a look before and after each."""
    optimizer = optimizer or RECIPE.make_optimizer(step.model)
    step.model.train()
    batches = (batch for epoch in count() for batch in WEIGHTS.shuffled(8, epoch))
    for number, (x, y) in zip(range(steps), batches, strict=False):
        optimizer.zero_grad(set_to_none=True)
        before(number)
        epoch, position = divmod(number, PER_EPOCH)
        where = {"recipe": RECIPE, "recipe_epoch": epoch, "position": position, "steps_per_epoch": PER_EPOCH}
        take(step, number, x, y, backward, optimizer=optimizer, **where)
        optimizer.step()
        after(number)


def test_each_learns_from_batches_of_its_own() -> None:
    augment = Augment(crop=1)
    step = make(Softmax(), objective=watched)
    train(step, WEIGHTS, RECIPE, seed=7, augment=augment)
    assert [role for role, _ in SEEN] == ["architecture", "weights"] * 12
    ours = [x for epoch in range(3) for x, _ in WEIGHTS.shuffled(8, (7, Stream.BATCHES, epoch), augment)]
    assert all(torch.equal(x, seen) for x, (_, seen) in zip(ours, SEEN[1::2], strict=True))
    theirs = BatchStream(OWN, 8, (5, 1), Augment(flip=True))
    assert all(torch.equal(theirs.at(number)[0], seen) for number, (_, seen) in enumerate(SEEN[::2]))


@pytest.mark.parametrize("estimator", [first_order, unrolled])
@pytest.mark.parametrize("relaxation", [Softmax(), GumbelStraightThrough(), BinaryGates(), BinaryGatePairs()])
def test_an_architecture_step_moves_no_weight(relaxation: Relaxation, estimator: Estimator) -> None:
    step = make(relaxation, estimator=estimator, dropout=0)
    before: dict[str, Any] = {}
    looks = 0

    optimizer = RECIPE.make_optimizer(step.model)

    def remember(number: int) -> None:
        before["weights"] = {name: parameter.detach().clone() for name, parameter in step.model.named_parameters()}
        before["momentum"] = momentum_of(step, optimizer)
        before["logits"] = logits_of(step)

    def look(loss: Tensor) -> None:
        """In the middle of a step, where the architecture has learnt and weights are about to."""
        nonlocal looks
        looks += 1
        assert moved(before["logits"], logits_of(step))
        for name, parameter in step.model.named_parameters():
            assert parameter.grad is None and torch.equal(parameter, before["weights"][name]), name
        assert all(torch.equal(each, before["momentum"][name]) for name, each in momentum_of(step, optimizer).items())
        gradients = [p.grad for p in step.relaxed.parameters.parameters()]
        torch.autograd.backward(loss)
        assert [p.grad for p in step.relaxed.parameters.parameters()] == gradients, "weights' loss teaches weights"

    by_hand(step, 4, optimizer=optimizer, before=remember, backward=look)
    assert looks == 4 and momentum_of(step, optimizer)


def test_the_reported_loss_of_the_architecture_is_that_of_its_own_batch() -> None:
    """Also where an estimator runs passes on the weights' batch before."""
    for estimator in (first_order, unrolled):
        step = make(Softmax(), estimator=estimator, dropout=0)
        found: dict[str, float] = {}

        def note(forward: Forward, found: dict[str, float] = found) -> Tensor | None:
            loss = CrossEntropy()(forward)
            assert loss is not None
            found[forward.role] = float(loss.detach())
            return loss

        step.objective = [note]
        x, y = next(iter(WEIGHTS.shuffled(8, 0)))
        losses = take(step, 0, x, y, optimizer=RECIPE.make_optimizer(step.model))
        assert {role: float(loss) for role, loss in losses.items()} == found


@pytest.mark.parametrize(("every", "warmup"), [(1, 0.0), (2, 0.0), (3, 0.34), (1, 0.5), (1, 0.99)])
def test_architecture_parameters_learn_when_they_are_due(every: int, warmup: float) -> None:
    step = make(Softmax(), Learning(every=every, warmup=warmup), objective=watched)
    first = logits_of(step)
    train(step, WEIGHTS, RECIPE, seed=7)
    due = [number for number in range(12) if number >= warmup * 12 and number % every == 0]
    expected = [role for n in range(12) for role in (["architecture"] if n in due else []) + ["weights"]]
    assert [role for role, _ in SEEN] == expected
    assert moved(first, logits_of(step)) is bool(due)
    batches = [x for role, x in SEEN if role == "architecture"]
    theirs = BatchStream(OWN, 8, (5, 1), Augment(flip=True))
    assert all(torch.equal(theirs.at(n // every)[0], x) for n, x in zip(due, batches, strict=True))


def test_on_one_level_both_learn_from_one_pass() -> None:
    step = make(Softmax(), ONE_LEVEL, objective=watched)
    first = logits_of(step)
    history = train(step, WEIGHTS, RECIPE, seed=7)
    assert [role for role, _ in SEEN] == ["weights"] * 12
    assert moved(first, logits_of(step))
    assert "loss_architecture" not in history[0]


def test_on_one_level_the_warm_up_is_of_weights_alone() -> None:
    step = make(Softmax(), ONE_LEVEL.model_copy(update={"warmup": 0.15}))
    still: list[bool] = []
    first = logits_of(step)
    by_hand(step, 4, after=lambda number: still.append(not moved(first, logits_of(step))))
    assert still == [True, True, False, False]


def test_on_one_level_the_gradient_is_that_of_the_loss_of_the_pass() -> None:
    step = make(Softmax(), ONE_LEVEL.model_copy(update={"weight_decay": 0.0}), dropout=0)
    x, y = next(iter(WEIGHTS.shuffled(8, 0)))
    step.relaxed.follow(step.relaxed.draw(0, 0.0))
    logits = step.relaxed.parameters.logits
    loss = nn.functional.cross_entropy(step.model(x), y)
    expected = torch.autograd.grad(loss, [*logits.values(), *step.model.parameters()], allow_unused=True)
    take(step, 0, x, y)
    for parameter, gradient in zip([*logits.values(), *step.model.parameters()], expected, strict=True):
        assert gradient is not None and parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize(
    ("relaxation", "learning"),
    [(GroupDropout(0.3), ONE_LEVEL), (GumbelStraightThrough(), LEARNING), (BinaryGates(), LEARNING)],
    ids=["dropnas", "gdas", "proxyless"],
)
def test_idle_operations_rest_bit_for_bit(relaxation: Relaxation, learning: Learning) -> None:
    """Neither momentum nor decay moves their weights, and their momentum stays too."""
    step = make(relaxation, learning)
    weights: dict[str, Tensor] = {}
    momentum: dict[str, Tensor] = {}
    seen: list[tuple[bool, bool]] = []

    optimizer = RECIPE.make_optimizer(step.model)

    def remember(number: int) -> None:
        weights.update({name: parameter.detach().clone() for name, parameter in step.model.named_parameters()})
        momentum.update(momentum_of(step, optimizer))

    def compare(number: int) -> None:
        now = momentum_of(step, optimizer)
        for path, module in step.model.named_modules():
            for option in ("k1", "k3") if isinstance(module, OneOf) else ():
                name = f"{path}.{option}.0.weight"
                runs = option in module.gate.values
                still = torch.equal(step.model.get_parameter(name), weights[name])
                seen.append((runs, name in momentum))
                if not runs:
                    assert still, name
                    assert (name in now) == (name in momentum), name
                    assert name not in now or torch.equal(now[name], momentum[name]), name
                elif step.model.get_parameter(name).grad is not None:
                    assert not still, name

    by_hand(step, 16, optimizer=optimizer, before=remember, after=compare)
    assert min(seen.count((runs, before)) for runs in (True, False) for before in (True, False)) > 0
    assert seen.count((False, True)) > 5


@pytest.mark.parametrize(
    ("relaxation", "learning"),
    [(GroupDropout(0.3), ONE_LEVEL), (BinaryGatePairs(), LEARNING)],
    ids=["dropnas", "pairs"],
)
def test_probabilities_of_idle_options_do_not_move_in_a_step(relaxation: Relaxation, learning: Learning) -> None:
    step = make(relaxation, learning)
    shares: list[dict[str, Any]] = []
    kept = 0

    def before(number: int) -> None:
        shares.append(step.relaxed.arrays())

    def after(number: int) -> None:
        nonlocal kept
        place = number if learning.share is None else 2 * number + 1
        gates, now = step.relaxed.draw(place, number / (PER_EPOCH * RECIPE.epochs)), step.relaxed.arrays()
        for name in step.relaxed.parameters.logits:
            idle = [option for option in range(4) if option not in gates[name].active]
            assert abs(now[name][idle] - shares[-1][name][idle]).max(initial=0) < 1e-6
            kept += len(idle)

    by_hand(step, 4, before=before, after=after)
    assert kept > 5
    assert any((shares[-1][name] != shares[0][name]).any() for name in shares[0])


def test_weights_of_edges_learn_where_subsets_are_relaxed() -> None:
    """PC-DARTS: mixtures on half of the channels, edges that compete."""
    step = make(Softmax(), subsets=Softmax(), parts=2)
    first = logits_of(step)
    train(step, WEIGHTS, RECIPE, seed=7)
    now = logits_of(step)
    assert set(now) == {"edge_0_1", "edge_0_2", "edge_1_2", "kept"}
    assert all(not torch.equal(first[name], now[name]) for name in now)
    assert abs(float(step.relaxed.arrays()["kept"].sum()) - 1) < 1e-6
    derived = step.derived
    assert derived["kept"] == (int(now["kept"].argmax()),)


def test_loss_terms_see_probabilities_of_candidates_through_which_they_teach() -> None:

    def weighing(weight: float) -> RelaxedStep:
        return make(Softmax(), objective=lambda relaxed: [CrossEntropy(), Entropy(weight)])

    plain, pushed = weighing(0.0), weighing(5.0)
    for step in (plain, pushed):
        train(step, WEIGHTS, RECIPE, seed=7)

    def entropy(step: RelaxedStep) -> float:
        return math.fsum(step.record()["architecture"]["entropy"].values())

    assert entropy(pushed) < entropy(plain) - 0.1


def sd_darts(weight: float = 1.0, dropout: float = 0.2) -> RelaxedStep:
    return make(
        Softmax(),
        objective=lambda relaxed: [
            CrossEntropy(),
            SelfDistillation(relaxed.supernet, TASK, PER_EPOCH, relaxed, snapshots=2, weight=weight),
        ],
        dropout=dropout,
    )


RUNS: dict[str, Callable[[], RelaxedStep]] = {
    "softmax": lambda: make(Softmax()),
    "unrolled": lambda: make(Softmax(), estimator=unrolled),
    "pc-darts": lambda: make(Softmax(), subsets=Softmax(), parts=2),
    "gdas": lambda: make(GumbelStraightThrough()),
    "proxyless": lambda: make(BinaryGates()),
    "dropnas": lambda: make(GroupDropout(0.3), ONE_LEVEL),
    "sd-darts": sd_darts,
}


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


def timeless(history: list[Epoch]) -> Any:
    """As written to and read from a file."""
    epochs = [{name: value for name, value in epoch.items() if name != "images_per_second"} for epoch in history]
    return json.loads(json.dumps(epochs))


def remembered(step: RelaxedStep) -> dict[str, Tensor]:
    """By the step, and by its loss terms."""
    return state_of_all([Phase(step, WEIGHTS, RECIPE)])


def assert_equal(step: RelaxedStep, other: RelaxedStep) -> None:
    """Weights, buffers and all that the step remembers, bit for bit."""
    for mine, theirs in ((step.model.state_dict(), other.model.state_dict()), (remembered(step), remembered(other))):
        assert mine.keys() == theirs.keys()
        for name, tensor in mine.items():
            assert torch.equal(theirs[name], tensor), name


@pytest.mark.parametrize(("name", "frozen"), [*((name, False) for name in RUNS), ("softmax", True)])
def test_a_run_that_goes_on_ends_like_one_that_was_not_stopped(name: str, frozen: bool, tmp_path: Path) -> None:
    augment = Augment(crop=1, flip=True)
    straight = RUNS[name]()
    if frozen:
        straight.relaxed.freeze("edge_0_2", [3])
    history = train(straight, WEIGHTS, RECIPE, seed=7, augment=augment)
    file, stops = tmp_path / "supernet.safetensors", 0

    def stop(epoch: Epoch) -> None:
        if epoch["epoch"] == stops < 2:
            raise Killed

    for attempt in range(3):
        step = RUNS[name]()
        if frozen and attempt == 0:
            step.relaxed.freeze("edge_0_2", [3])
        torch.rand(attempt)
        try:
            resumed = train(step, WEIGHTS, RECIPE, seed=7, checkpoint=file, on_epoch=stop, augment=augment)
        except Killed:
            stops += 1
    assert stops == 2
    assert timeless(resumed) == timeless(history)
    assert_equal(step, straight)
    assert any(place.startswith("moments/") for place in step.state())
    assert any(place.startswith("frozen/") for place in step.state()) is frozen
    assert any(place.startswith("listener0/1/") for place in remembered(step)) is (name == "sd-darts")


def test_what_was_decided_is_restored_on_the_device_of_the_model() -> None:
    step = make(Softmax())
    step.relaxed.freeze("kept", [1])
    relaxed = Relaxed(network().to("meta"), Softmax(), 0)
    elsewhere = RelaxedStep(relaxed, ONE_LEVEL, [CrossEntropy()], None, steps=PER_EPOCH * 3, rule=step.rule)
    elsewhere.restore(step.state())
    assert relaxed.frozen["kept"].device.type == "meta"
    step.restore(step.state())
    assert step.relaxed.frozen["kept"].tolist() == [0.0, 1.0]


def test_training_leaves_the_global_generator_alone_and_depends_on_seeds_alone() -> None:
    steps = []
    for noise in (0, 1):
        step = make(GumbelStraightThrough())
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        train(step, WEIGHTS, RECIPE, seed=7)
        assert torch.equal(torch.get_rng_state(), state)
        steps.append(step)
    assert_equal(*steps)


def test_group_dropout_of_rate_zero_is_darts_on_one_level_bit_for_bit() -> None:
    relaxations: list[Relaxation] = [Softmax(), GroupDropout(0)]
    steps = [make(relaxation, ONE_LEVEL) for relaxation in relaxations]
    for step in steps:
        train(step, WEIGHTS, RECIPE, seed=7)
    assert_equal(*steps)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_self_distillation_of_weight_zero_is_darts_bit_for_bit(dropout: float) -> None:
    darts, taught = make(Softmax(), dropout=dropout), sd_darts(weight=0.0, dropout=dropout)
    train(darts, WEIGHTS, RECIPE, seed=7)
    train(taught, WEIGHTS, RECIPE, seed=7)
    for mine, theirs in ((darts.model.state_dict(), taught.model.state_dict()), (logits_of(darts), logits_of(taught))):
        assert all(torch.equal(theirs[name], tensor) for name, tensor in mine.items())
    different = sd_darts(weight=1.0, dropout=dropout)
    train(different, WEIGHTS, RECIPE, seed=7)
    assert moved(logits_of(darts), logits_of(different))


def test_an_epoch_records_probabilities_entropy_and_what_they_stand_for() -> None:
    step = make(Softmax())
    history = train(step, WEIGHTS, RECIPE, seed=7)
    record = history[-1]["architecture"]
    assert record == step.record()["architecture"]
    p = step.relaxed.arrays()["edge_0_1"]
    assert record["probabilities"]["edge_0_1"] == pytest.approx(p, abs=1e-6)
    assert record["entropy"]["edge_0_1"] == pytest.approx(float(-(p * torch.tensor(p).log().numpy()).sum()), abs=1e-5)
    assert record["derived"] == json.loads(step.derived.to_json())
    assert record["derived"]["edge_0_1"] == ("none", "skip", "k1", "k3")[int(p.argmax())]
