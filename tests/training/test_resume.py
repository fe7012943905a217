"""A run that was stopped and goes on ends bit for bit where one that was not stopped does."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CLASSES, elastic, operations, split
from torch import Tensor, nn

from nas.data import Augment
from nas.errors import UsageError
from nas.sampling import Fair, Sandwich
from nas.training import (
    Context,
    CrossEntropy,
    Epoch,
    InPlaceDistillation,
    LossTerm,
    PlainStep,
    Recipe,
    SupernetStep,
    load_checkpoint,
    restore,
    save_checkpoint,
    train,
)
from nas.training.steps import Backward

SETTINGS: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 0.05,
    "warmup_epochs": 1,
    "weight_decay": 0.01,
}


def sandwich() -> SupernetStep:
    supernet = elastic()
    objective: list[LossTerm] = [CrossEntropy(roles=["largest"]), InPlaceDistillation()]
    return SupernetStep(supernet, Sandwich(supernet.space, seed=1, random=1), objective)


def fair() -> SupernetStep:
    supernet = operations()
    return SupernetStep(supernet, Fair(supernet.space, seed=1, paths=2), [CrossEntropy()])


def plain() -> PlainStep:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, CLASSES)
    )
    return PlainStep(network, [CrossEntropy(label_smoothing=0.1)])


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


def timeless(history: list[Epoch]) -> list[Epoch]:
    return [{name: value for name, value in epoch.items() if name != "images_per_second"} for epoch in history]


@pytest.mark.parametrize("masked", [False, True], ids=["dense", "masked"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("make", [sandwich, fair, plain])
def test_resuming_is_bit_exact(make: Any, optimizer: Any, masked: bool, tmp_path: Path) -> None:
    recipe = Recipe(**SETTINGS, optimizer=optimizer, masked=masked)
    augment = Augment(crop=1, flip=True)
    straight = make()
    history = train(straight, split(), recipe, seed=7, augment=augment)
    file = tmp_path / "run" / "supernet.safetensors"
    killed, seen = 0, []

    def kill_after_two_epochs(epoch: Epoch) -> None:
        seen.append(epoch["epoch"])
        if len(seen) in (1, 3):
            raise Killed

    for _ in range(3):
        step = make()
        torch.rand(3 + killed)  # whatever happened to the global generator
        try:
            resumed = train(
                step, split(), recipe, seed=7, checkpoint=file, on_epoch=kill_after_two_epochs, augment=augment
            )
        except Killed:
            killed += 1
    assert killed == 2 and seen == [0, 1, 2, 3]
    assert timeless(resumed) == timeless(history)
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(step.model.state_dict()[name], tensor), name
    assert [path.name for path in file.parent.iterdir()] == [file.name], "no temporary file is left"


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    recipe = Recipe(**SETTINGS)
    first = plain()
    history = train(first, split(), recipe, seed=0, checkpoint=file)
    written = file.read_bytes()
    second = plain()
    seen: list[Epoch] = []
    assert train(second, split(), recipe, seed=0, checkpoint=file, on_epoch=seen.append) == history
    assert seen == [] and file.read_bytes() == written
    assert not second.model.training
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], tensor)


def test_training_depends_on_its_seed_alone() -> None:
    recipe = Recipe(**SETTINGS)
    runs = []
    for global_seed, seed in ((1, 3), (2, 3), (1, 4)):
        step = fair()
        torch.manual_seed(global_seed)
        state = torch.get_rng_state()
        train(step, split(), recipe, seed=seed)
        assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
        runs.append(torch.cat([parameter.flatten() for parameter in step.model.parameters()]))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_a_huge_learning_rate_is_reported_and_the_last_checkpoint_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    seen: list[Epoch] = []
    recipe = Recipe(**{**SETTINGS, "epochs": 50, "warmup_epochs": 0, "learning_rate": 1e7, "clip": 1e9})
    step = plain()
    with pytest.raises(
        UsageError,
        match=r"training diverged in epoch \d+: .*(nan|inf|not finite); lower training\.learning_rate \(now 1e\+07\)",
    ):
        train(step, split(), recipe, seed=0, checkpoint=file, on_epoch=seen.append)
    if seen:
        tensors, header = load_checkpoint(file)
        assert timeless(header["history"]) == timeless(seen)
        assert all(tensor.isfinite().all() for tensor in tensors.values())
    else:
        assert not file.exists()


def test_divergence_later_keeps_the_checkpoint_of_the_epoch_before(tmp_path: Path) -> None:
    class Explodes(PlainStep):
        def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
            losses = super().__call__(context, backward)
            return {"network": losses["network"] * torch.inf} if context.step == 9 else losses

    file = tmp_path / "c.safetensors"
    with pytest.raises(UsageError, match="diverged in epoch 3: the loss of the network path is inf"):
        train(Explodes(plain().model, [CrossEntropy()]), split(), Recipe(**SETTINGS), seed=0, checkpoint=file)
    _, header = load_checkpoint(file)
    assert len(header["history"]) == 2
    calm = PlainStep(plain().model, [CrossEntropy()])
    assert len(train(calm, split(), Recipe(**SETTINGS), seed=0, checkpoint=file)) == 4


def test_weights_that_overflow_in_the_last_step_of_an_epoch_are_not_saved(tmp_path: Path) -> None:
    class Overflows(PlainStep):
        def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
            factor = torch.inf if context.step == 7 else 1.0
            return super().__call__(context, lambda loss: backward(loss * factor))

    file = tmp_path / "c.safetensors"
    with pytest.raises(
        UsageError, match=r"diverged in epoch 2: '0\.weight' is not finite; lower training\.learning_rate"
    ):
        train(Overflows(plain().model, [CrossEntropy()]), split(), Recipe(**SETTINGS), seed=0, checkpoint=file)
    tensors, header = load_checkpoint(file)
    assert len(header["history"]) == 1 and all(tensor.isfinite().all() for tensor in tensors.values())


def trained(file: Path) -> bytes:
    train(plain(), split(), Recipe(**{**SETTINGS, "epochs": 1}), seed=0, checkpoint=file)
    return file.read_bytes()


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, 0.99])
def test_truncated_checkpoints_are_refused(kept: float, tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    whole = trained(file)
    file.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(
        UsageError, match=r"checkpoint .*c\.safetensors cannot be read \(.*\); delete it to train again"
    ):
        train(plain(), split(), Recipe(**{**SETTINGS, "epochs": 1}), seed=0, checkpoint=file)


@pytest.mark.parametrize("content", [b"garbage" * 100, b"\x80\x04N.", b"PK\x03\x04" + b"\0" * 100])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot be read .*delete it to train again"):
        load_checkpoint(file)


def test_a_missing_checkpoint_and_one_without_header_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(UsageError, match="cannot be read"):
        load_checkpoint(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UsageError, match="cannot be read"):
        load_checkpoint(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": 0.06}, r"trained with learning_rate=0\.05, not 0\.06"),
        ({"optimizer": "adamw"}, r"trained with optimizer='sgd', not 'adamw'"),
        ({"epochs": 5}, r"trained with epochs=4, not 5"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    train(plain(), split(), Recipe(**SETTINGS), seed=0, checkpoint=file)
    with pytest.raises(UsageError, match=rf"c\.safetensors was {words}; use the same settings to continue"):
        train(plain(), split(), Recipe(**{**SETTINGS, **changes}), seed=0, checkpoint=file)


def test_a_checkpoint_of_another_seed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    train(plain(), split(), Recipe(**SETTINGS), seed=0, checkpoint=file)
    with pytest.raises(UsageError, match=r"was trained with seed=0, not 1"):
        train(plain(), split(), Recipe(**SETTINGS), seed=1, checkpoint=file)


@pytest.mark.parametrize(
    ("layer", "name"), [(nn.Linear(64, CLASSES), "4.bias"), (nn.Linear(64, CLASSES + 1), "4.weight")]
)
def test_a_checkpoint_of_another_model_is_refused_and_loads_nothing(
    layer: nn.Module, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.safetensors"
    trained(file)
    other = plain().model
    assert isinstance(other, nn.Sequential)
    if name == "4.bias":
        layer.register_parameter("bias", None)
    other[4] = layer
    before = {key: tensor.clone() for key, tensor in other.state_dict().items()}
    with pytest.raises(UsageError, match=r"trained with other code: parameter '4\..*; restore the code"):
        train(PlainStep(other, [CrossEntropy()]), split(), Recipe(**{**SETTINGS, "epochs": 1}), seed=0, checkpoint=file)
    assert all(torch.equal(tensor, before[key]) for key, tensor in other.state_dict().items())


def test_checkpoints_hold_tied_and_odd_tensors(tmp_path: Path) -> None:
    conv = nn.Conv2d(2, 2, 3)
    conv.weight = nn.Parameter(conv.weight.detach().contiguous(memory_format=torch.channels_last))
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), conv)
    model[1].weight = model[0].weight
    model.register_buffer("count", torch.tensor(7))
    model.register_buffer("empty", torch.zeros(0))
    file = tmp_path / "c.safetensors"
    save_checkpoint(file, model, note="text", numbers=[1, 2.5])
    tensors, header = load_checkpoint(file)
    assert header == {"note": "text", "numbers": [1, 2.5]}
    twin = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Conv2d(2, 2, 3))
    twin.register_buffer("count", torch.tensor(0))
    twin.register_buffer("empty", torch.zeros(0))
    restore(tensors, twin)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    model = nn.Linear(2, 2)
    save_checkpoint(file, model, epoch=1)
    with pytest.raises(TypeError):
        save_checkpoint(file, model, epoch=object())
    assert load_checkpoint(file)[1] == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_the_header_is_plain_json(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    whole = trained(file)
    length = int.from_bytes(whole[:8], "little")
    metadata = json.loads(whole[8 : 8 + length])["__metadata__"]
    header = json.loads(metadata["header"])
    assert header["seed"] == 0 and header["recipes"][0]["batch_size"] == 8 and len(header["history"]) == 1
