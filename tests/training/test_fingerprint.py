"""Code that changed after training is noticed: operations and constants, not only names and shapes of parameters."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.supernet import Supernet
from nas.training import check_fingerprint, fingerprint

Make = Callable[[], nn.Module]
EXAMPLE = torch.zeros(2, 1, 8, 8)


class Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def network(
    act: Callable[[], nn.Module] = nn.ReLU,
    stride: int = 1,
    other: Callable[[], nn.Module] = nn.Tanh,
    scale: float = 2.0,
    width: int = 4,
    more: Sequence[nn.Module] = (),
) -> nn.Module:
    kernel = nas.Choice([3, 5], name="kernel")
    return nn.Sequential(
        nas.nn.Conv2d(1, width, kernel, padding=kernel // 2, stride=stride),
        nas.nn.OneOf({"act": act(), "other": other(), "identity": nn.Identity()}),
        Scaled(scale),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 3),
        *more,
    )


def told(model: nn.Module) -> dict[str, str]:
    return fingerprint(Supernet(model), EXAMPLE)


def header(model: nn.Module) -> dict[str, object]:
    release = ".".join(torch.__version__.split(".")[:2])
    return {"fingerprint": {"torch": release, "model": json.loads(json.dumps(told(model)))}}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"act": nn.GELU}, r"module '1\.act' was ReLU and is GELU now"),
        ({"act": lambda: nn.LeakyReLU(0.1)}, r"module '1\.act' was ReLU and is LeakyReLU now"),
        ({"other": nn.Sigmoid}, r"module '1\.other' was Tanh and is Sigmoid now"),
        ({"stride": 2}, r"module '0' \(Conv2d\) does not compute what it did"),
        ({"scale": 3.0}, r"module '2' \(Scaled\) does not compute what it did"),
        ({"width": 5}, r"parameter '0\.bias' was \[4\] and is \[5\] now"),
        ({"more": [nn.Tanh()]}, r"module '6' \(Tanh\) is new"),
    ],
    ids=[
        "class",
        "class with a constant",
        "a candidate that is neither first nor last",
        "stride",
        "a constant",
        "width",
        "more",
    ],
)
def test_changed_code_is_named(change: dict[str, object], named: str, tmp_path: Path) -> None:
    sentence = (
        rf"^checkpoint {tmp_path / 'c'} was trained with other code: {named}, so its weights belong to another "
        r"model; restore the code as it was, or start a run of another name\.$"
    )
    with pytest.raises(UsageError, match=sentence):
        check_fingerprint(header(network()), told(network(**change)), tmp_path / "c")  # type: ignore[arg-type]


def test_what_a_supernet_follows_and_its_weights_change_nothing(tmp_path: Path) -> None:
    supernet = Supernet(network())
    before = fingerprint(supernet, EXAMPLE)
    supernet.activate(supernet.space.smallest())
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(1)
    supernet.train()
    assert fingerprint(supernet, EXAMPLE[:1]) == before
    check_fingerprint(header(network()), before, tmp_path / "c")


@pytest.mark.whole
def test_other_processes_say_the_same() -> None:
    program = (
        "import hashlib, json, sys; sys.path.insert(0, sys.argv[1]); import test_fingerprint as t;"
        "print(hashlib.sha256(json.dumps(t.told(t.network())).encode()).hexdigest())"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    outputs = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_operations_of_another_release_of_pytorch_are_not_compared(tmp_path: Path) -> None:
    stored = header(network())
    stored["fingerprint"]["torch"] = "1.0"  # type: ignore[index]
    check_fingerprint(stored, told(network(stride=2)), tmp_path / "c")
    with pytest.raises(UsageError, match="was ReLU and is GELU now"):
        check_fingerprint(stored, told(network(act=nn.GELU)), tmp_path / "c")


def test_a_checkpoint_from_before_is_taken_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_fingerprint({}, told(network()), tmp_path / "c")
    assert "c does not say which model it is of" in caplog.text


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_a_network_that_needs_values_is_told_by_its_modules() -> None:
    found = fingerprint(nn.Sequential(Branching(), nn.Flatten()), EXAMPLE)
    assert found == {"module ''": "Sequential", "module '0'": "Branching", "module '1'": "Flatten"}


class Looping(nn.Module):
    """The same modules in another forward."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.layer, self.times = nas.nn.Linear(3, 3, bias=nas.Choice([True, False], name="bias")), times

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y * self.times


def test_another_forward_of_the_model_is_named(tmp_path: Path) -> None:
    x = torch.zeros(2, 3)
    before, now = (fingerprint(Supernet(Looping(times)), x) for times in (2, 3))
    release = ".".join(torch.__version__.split(".")[:2])
    with pytest.raises(UsageError, match=r"other code: the model \(Looping\) does not compute what it did, so"):
        check_fingerprint({"fingerprint": {"torch": release, "model": before}}, now, tmp_path / "c")
    plain, other = (fingerprint(Scaled(scale), x) for scale in (2.0, 3.0))
    with pytest.raises(UsageError, match=r"other code: the model \(Scaled\) does not compute what it did, so"):
        check_fingerprint({"fingerprint": {"torch": release, "model": plain}}, other, tmp_path / "c")
    gone = {name: value for name, value in before.items() if "layer.weight" not in name}
    with pytest.raises(UsageError, match=r"other code: parameter 'layer.weight' \(\[3, 3\]\) is no longer there, so"):
        check_fingerprint({"fingerprint": {"torch": release, "model": before}}, gone, tmp_path / "c")


class UnusualError(Exception):
    pass


class Raising(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.layer, self.error = nn.Linear(3, 3), error

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            raise self.error
        y: Tensor = self.layer(x)
        return y


@pytest.mark.parametrize(
    "error", [UnusualError("odd"), KeyError("k"), AssertionError(), NotImplementedError(), OSError(5, "x")]
)
def test_whatever_a_forward_raises_without_values_the_model_is_told_by_its_modules(error: Exception) -> None:
    found = fingerprint(nn.Sequential(Raising(error)), torch.zeros(2, 3))
    assert found == {
        "module ''": "Sequential",
        "module '0'": "Raising",
        "module '0.layer'": "Linear",
        "parameter '0.layer.weight'": "[3, 3]",
        "parameter '0.layer.bias'": "[3]",
    }
