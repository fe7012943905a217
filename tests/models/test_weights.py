"""Weights come from files that hold tensors and nothing else, and fit to the last name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from own_models import Small
from safetensors.torch import save_file
from torch import Tensor, nn

from nas.errors import UsageError
from nas.models import digest_of, load_weights


def model(seed: int = 0, classes: int = 10) -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small((1, 8, 8), classes)


def same(one: nn.Module, other: nn.Module, *names: str) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(bool(torch.equal(states[0][name], states[1][name])) for name in names or states[0])


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in model(1).state_dict().items()}


WRAPPED: dict[str, Any] = {
    "as it is": prefixed(""),
    "state_dict": {"epoch": 3, "state_dict": prefixed("")},
    "model_state_dict": {"model_state_dict": prefixed(""), "loss": 0.5},
    "model of data parallel": {"model": prefixed("module.")},
    "compiled": prefixed("_orig_mod."),
    "compiled and parallel": prefixed("module._orig_mod."),
    "of lightning": {"state_dict": prefixed("model.")},
    "without counters": {name: each for name, each in prefixed("").items() if "num_batches" not in name},
}


@pytest.mark.parametrize("case", WRAPPED)
def test_weights_are_found_below_what_trainers_write(case: str, tmp_path: Path) -> None:
    torch.save(WRAPPED[case], tmp_path / "weights.pt")
    taken = model()
    load_weights(taken, tmp_path / "weights.pt")
    assert same(taken, model(1))


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file(model(1).state_dict(), tmp_path / "weights.safetensors")
    taken = model()
    load_weights(taken, tmp_path / "weights.safetensors")
    assert same(taken, model(1))


def test_a_head_may_begin_anew(tmp_path: Path) -> None:
    torch.save(model(1, classes=7).state_dict(), tmp_path / "weights.pt")
    taken = model()
    load_weights(taken, tmp_path / "weights.pt", fresh=["head.*"])
    assert same(taken, model(), "head.weight", "head.bias")
    assert same(taken, model(1), "stem.weight", "blocks.1.norm.running_mean")


class Opened:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def content(case: str, folder: Path) -> Any:
    state = model(1).state_dict()
    return {
        "code": {"state_dict": state, "extra": Opened(folder / "opened")},
        "whole model": model(1),
        "list": [1, 2],
        "nothing": {},
        "number": {**state, "epoch": 3},
        "missing": {name: value for name, value in state.items() if "blocks" not in name},
        "more": {**state, "neck.weight": torch.zeros(2)},
        "shapes": model(1, classes=7).state_dict(),
        "endless": {**state, "head.bias": torch.full((10,), torch.nan)},
    }[case]


REFUSED = {
    "code": r"holds more than tensors \(such as .*\), and objects are not unpickled",
    "whole model": r"holds more than tensors \(such as own_models.Small\), .*torch.save\(model.state_dict\(\)",
    "list": "holds a list where named tensors are expected",
    "nothing": "holds nothing where named tensors are expected",
    "number": "holds 'epoch' of type int where named tensors",
    "missing": r"it lacks 'blocks.0.conv.weight', 'blocks.0.norm.weight', 'blocks.0.norm.bias' and 7 more; give",
    "more": "the model has no 'neck.weight'; give",
    "shapes": r"'head.weight' is \[7, 8\] where the model has \[10, 8\], .* --set space_args.fresh=\['head.\*'\]",
    "endless": "has numbers in 'head.bias' that are not finite",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str, tmp_path: Path) -> None:
    torch.save(content(case, tmp_path), tmp_path / "weights.pt")
    taken = model()
    with pytest.raises(UsageError, match=REFUSED[case]) as refusal:
        load_weights(taken, tmp_path / "weights.pt")
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith(".")
    assert same(taken, model()) and not (tmp_path / "opened").exists()


@pytest.mark.parametrize("damage", [b"", b"hello\n", b"\x80\x02junk"])
def test_a_damaged_file_is_refused(damage: bytes, tmp_path: Path) -> None:
    for name in ("weights.pt", "weights.safetensors"):
        (tmp_path / name).write_bytes(damage)
        with pytest.raises(UsageError, match="is damaged, or neither safetensors nor what"):
            load_weights(model(), tmp_path / name)


def test_another_file_than_the_one_that_was_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    with pytest.raises(UsageError, match=r"weights.pt cannot be read: No such file"):
        digest_of(file)
    torch.save(model(1).state_dict(), file)
    before = digest_of(file)
    load_weights(model(), file, before)
    torch.save(model(2).state_dict(), file)
    with pytest.raises(UsageError, match="is not the file that this run began with"):
        load_weights(model(), file, before)


def test_a_pattern_that_nothing_has_is_refused(tmp_path: Path) -> None:
    torch.save(model(1).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(UsageError, match=r"fresh names 'fc.\*', but no weight of the model is called so"):
        load_weights(model(), tmp_path / "weights.pt", fresh=["fc.*"])
