"""Models are found by name, in a module of the user or in a library, and given what they take."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from own_models import Small
from torch import nn

from nas.errors import UsageError
from nas.models import build_model, elastic_space

SHAPE = (1, 8, 8)


@pytest.mark.parametrize("name", ["own_models:build", "own_models:Small"])
def test_a_constructor_is_given_what_it_takes(name: str) -> None:
    model = build_model(name, {"width": 16}, (3, 8, 8), 7)
    assert isinstance(model, Small)
    assert model.stem.in_channels == 3 and model.head.out_features == 7 and model.head.in_features == 16


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no function": ("resnet18", {}, "model 'resnet18' names no function; write module:function, torchvision:NAME"),
    "no module": ("no_such_module:build", {}, "model 'no_such_module:build' names no importable module"),
    "not there": ("own_models:bild", {}, "module 'own_models' has no 'bild'"),
    "no constructor": ("own_models:__all__", {}, "is of type list, expected a function that returns"),
    "no option": ("own_models:build", {"widht": 3}, "has no option 'widht'; did you mean 'width'"),
    "wrong option": ("own_models:build", {"width": "x"}, "has width 'x', but input should be a valid integer"),
    "no model": ("own_models:returns_nothing", {}, "returned NoneType, expected a torch.nn.Module"),
    "fails": ("own_models:fails", {}, r"cannot be built for input \(1, 8, 8\) and 10 outputs: RuntimeError: no such"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_model_is_refused(case: str) -> None:
    name, arguments, sentence = REFUSED[case]
    with pytest.raises(UsageError, match=sentence):
        build_model(name, arguments, SHAPE, 10)


def torchvision() -> ModuleType:
    """Stands for the library, with its constructor's signature."""

    def resnet(*, weights: Any = None, progress: bool = True, **options: Any) -> nn.Module:
        assert weights is None, "nothing is downloaded"
        return Small(SHAPE, **options)

    models = SimpleNamespace(
        list_models=lambda: ["resnet"],
        get_model_builder=lambda name: resnet,
        get_model=lambda name, **options: resnet(**options),
    )
    module = ModuleType("torchvision")
    vars(module).update(models=models)
    return module


def timm() -> ModuleType:
    def create_model(name: str, pretrained: bool, in_chans: int, **options: Any) -> nn.Module:
        assert not pretrained, "nothing is downloaded"
        return Small((in_chans, 8, 8), **options)

    module = ModuleType("timm")
    vars(module).update(list_models=lambda: ["vit"], create_model=create_model)
    return module


@pytest.mark.parametrize(("library", "make", "name"), [("torchvision", torchvision, "resnet"), ("timm", timm, "vit")])
def test_libraries_make_models_without_weights(
    library: str, make: Callable[[], ModuleType], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, make())
    model = build_model(f"{library}:{name}", {"width": 16}, SHAPE, 7)
    assert isinstance(model, Small) and model.head.out_features == 7 and model.head.in_features == 16
    with pytest.raises(UsageError, match=f"model '{library}:{name}s' is not known; did you mean '{name}'"):
        build_model(f"{library}:{name}s", {}, SHAPE, 7)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_there_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"needs {library}, which is not installed .*pip install {library}\.$"):
        build_model(f"{library}:resnet18", {}, SHAPE, 10)


def test_the_space_has_the_choices_that_are_asked_for() -> None:
    space = elastic_space(
        SHAPE, torch.float32, 10, model="own_models:build", model_args={"width": 16}, exclude=["blocks*"], width=[1.0]
    )
    assert {str(choice.name) for choice in space.choices} == {"stem.kernel"}


def test_weights_of_another_type_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"has 'stem.weight' in float16 on device 'cpu'; return it in float32 on the CPU"
    ):
        elastic_space(SHAPE, torch.float32, 10, model="own_models:half")


def test_tokens_are_followed_as_tokens() -> None:
    space = elastic_space((12,), torch.int64, 20, model="own_models:embedded")
    assert {str(choice.name) for choice in space.choices} == {"0.width", "1.width"}
