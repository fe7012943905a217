"""Activating, mixing and extracting: what is checked, what is restored."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import Linear, Repeat
from nas.space import Choice


def make() -> nas.Supernet:
    torch.manual_seed(0)
    width = Choice([2, 4], name="width")
    blocks = [Linear(width, width) for _ in range(3)]
    return nas.Supernet(
        nn.Sequential(Linear(3, width), Repeat(blocks, Choice([1, 2, 3], name="depth")), Linear(width, 2))
    )


def soft() -> dict[str, Tensor]:
    return {"width": torch.tensor([0.3, 0.7], requires_grad=True), "depth": torch.tensor([0.2, 0.3, 0.5])}


X = torch.ones(1, 3)

MISTAKES: dict[str, tuple[Callable[[nas.Supernet], Any], str]] = {
    "unknown choice": (lambda net: net.activate({"widht": 2, "depth": 1}), r"names 'widht'.*did you mean 'width'\?"),
    "wrong candidate": (lambda net: net.activate({"width": 3, "depth": 1}), r"choice 'width' is 3, but its candidates"),
    "missing choice": (lambda net: net.activate({"width": 2}), r"no value to the active choice 'depth'"),
    "unchecked architecture": (
        lambda net: net.activate(nas.Architecture({"width": 2})),
        r"no value to the active choice 'depth'",
    ),
    "architecture of another space": (lambda net: net.extract(nas.Architecture({"a": 1})), r"names 'a', which is no"),
    "gate of no choice": (lambda net: net.mix({**soft(), "dept": X}), r"gates name 'dept'.*did you mean 'depth'\?"),
    "active of no choice": (lambda net: net.mix(soft(), {"x": [0]}), r"gates name 'x', which is no choice"),
    "gate missing": (
        lambda net: net.mix({"width": torch.ones(2)}),
        r"choice 'depth' needs a tensor of 3 gate weights and an active option\.",
    ),
    "gate of the wrong length": (
        lambda net: net.mix({**soft(), "width": torch.ones(3)}),
        r"choice 'width' needs a tensor of 2 gate weights",
    ),
    "nothing active": (lambda net: net.mix(soft(), {"width": []}), r"choice 'width' needs .* an active option"),
}


@pytest.mark.parametrize(("mistake", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_have_sentences_and_change_nothing(mistake: Callable[[nas.Supernet], Any], sentence: str) -> None:
    supernet = make()
    supernet.activate({"width": 4, "depth": 2})
    before = supernet(X)
    with pytest.raises(UsageError, match=sentence):
        mistake(supernet)
    assert dict(supernet.architecture) == {"width": 4, "depth": 2}
    assert torch.equal(supernet(X), before)


def test_what_is_active_is_canonical() -> None:
    kernel = Choice([1, 2], name="inner")
    supernet = nas.Supernet(
        nn.Sequential(Repeat([nn.ReLU(), Repeat([nn.ReLU()] * 2, kernel)], Choice([1, 2], name="d")))
    )
    supernet.activate({"d": 1, "inner": 2})
    assert dict(supernet.architecture) == {"d": 1}


def test_under_soft_gates_there_is_no_architecture() -> None:
    supernet = make()
    supernet.mix(soft())
    with pytest.raises(UsageError, match=r"follows soft gates, not one architecture; call activate\(\) first\."):
        print(supernet.architecture)
    supernet.activate({"width": 2, "depth": 1})
    assert supernet.architecture["depth"] == 1


def test_extraction_leaves_architecture_and_gates_as_they_were() -> None:
    supernet = make()
    supernet.activate({"width": 2, "depth": 3})
    before = supernet(X)
    supernet.extract({"width": 4, "depth": 1})
    assert torch.equal(supernet(X), before) and supernet.architecture["depth"] == 3
    gates = soft()
    supernet.mix(gates)
    mixed = supernet(X)
    supernet.extract({"width": 4, "depth": 1})
    again = supernet(X)
    assert torch.equal(again, mixed)
    torch.autograd.backward(again.sum())
    assert gates["width"].grad is not None


def test_the_parameters_are_those_of_the_model() -> None:
    supernet = make()
    assert list(supernet.parameters()) == list(supernet.model.parameters())
    assert set(supernet.state_dict()) == {f"model.{name}" for name in supernet.model.state_dict()}
    supernet.activate({"width": 2, "depth": 1})
    assert set(supernet.state_dict()) == {f"model.{name}" for name in supernet.model.state_dict()}


def test_extraction_follows_the_weights_of_the_moment_and_the_mode() -> None:
    supernet = make()
    first = supernet.extract({"width": 2, "depth": 1})
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.mul_(2)
    second = supernet.eval().extract({"width": 2, "depth": 1})
    assert all(torch.equal(2 * a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first.training and not second.training


def test_frozen_parameters_stay_frozen() -> None:
    supernet = make()
    supernet.get_parameter("model.0.weight").requires_grad_(False)
    network = supernet.extract({"width": 2, "depth": 1})
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert frozen == ["0.weight"]
