"""How a model becomes a space: names, ties, conditions, refusals."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import Conv2d, Linear, OneOf, Repeat
from nas.nn.channel_ranges import select
from nas.space import Choice


class Block(nn.Module):
    def __init__(self, kernel: Any, hidden: Any) -> None:
        super().__init__()
        self.kernels = [kernel]
        self.convs = nn.ModuleDict({"in": Conv2d(3, hidden, kernel, padding=kernel // 2), "out": Conv2d(hidden, 3, 1)})

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs["out"](self.convs["in"](x))
        return y


def test_names_are_the_module_path_and_argument_of_the_first_use() -> None:
    model = nn.Sequential()
    model.add_module("stem", Block(Choice([1, 3]), Choice([4, 8])))
    model.add_module("stage", Repeat([nn.ReLU(), OneOf([nn.Identity(), nn.Tanh()])], Choice([1, 2])))
    names = list(nas.Supernet(model).space.choices)
    assert names == ["stem.convs.in.out_channels", "stem.convs.in.kernel_size", "stage.depth", "stage.1"]


def test_explicit_names_win_and_expressions_share_the_name_of_their_argument() -> None:
    width, factor, kernel = Choice([2, 4], name="width"), Choice([1, 2]), Choice([1, 3])
    space = nas.Supernet(nn.Sequential(Conv2d(3, width * factor, kernel))).space
    assert list(space.choices) == ["width", "0.out_channels", "0.kernel_size"]
    several = nas.Supernet(nn.Sequential(Linear(3, Choice([1, 2]) * Choice([1, 2]) + Choice([0, 1], name="x")))).space
    assert list(several.choices) == ["0.out_features.0", "0.out_features.1", "x"]


def test_a_root_module_needs_no_path() -> None:
    assert list(nas.Supernet(OneOf([nn.ReLU(), nn.Tanh()])).space.choices) == ["choice"]
    assert list(nas.Supernet(Linear(3, Choice([1, 2]))).space.choices) == ["out_features"]


def test_the_same_choice_twice_is_one_decision() -> None:
    width = Choice([2, 4])
    supernet = nas.Supernet(nn.Sequential(Linear(3, width), nn.ReLU(), Linear(width, width), Linear(width, 1)))
    assert supernet.space.size == 2
    supernet.activate({"0.out_features": 2})
    assert [tuple(p.shape) for p in supernet.extract(supernet.architecture).parameters()] == [
        (2, 3), (2,), (2, 2), (2,), (1, 2), (1,)
    ]  # fmt: skip


def nested() -> nas.Supernet:
    """Repeat 1..2 of [conv k0, one of (identity, repeat 0..1 of [conv k1])]; k0 is used inside and outside."""
    outer, inner = Choice([1, 3], name="outer"), Choice([1, 3, 5], name="inner")
    deep = Repeat([Block(inner, 2)], Choice([0, 1], name="deep"))
    choice = OneOf({"skip": nn.Identity(), "deep": deep}, Choice(["skip", "deep"], name="operation"))
    blocks = [Block(outer, 2), nn.Sequential(choice, Block(outer, 2))]
    return nas.Supernet(nn.Sequential(Repeat(blocks, Choice([1, 2], name="depth"))))


def test_choices_in_blocks_that_are_not_there_are_inactive() -> None:
    space = nested().space
    # depth 1: outer; depth 2: outer and skip, or outer and deep 0, or outer and deep 1 with inner.
    assert space.size == 2 + 2 + 2 + 2 * 3
    everything = {"depth": 1, "outer": 3, "operation": "deep", "deep": 1, "inner": 5}
    assert set(space.architecture(everything)) == {"depth", "outer"}
    everything["depth"] = 2
    assert set(space.architecture(everything)) == set(everything)
    assert set(space.architecture({**everything, "operation": "skip"})) == {"depth", "outer", "operation"}
    assert set(space.architecture({**everything, "deep": 0})) == {"depth", "outer", "operation", "deep"}


def test_a_choice_is_active_if_any_of_its_uses_is() -> None:
    kernel = Choice([1, 3], name="kernel")
    blocks = {name: Repeat([Block(kernel, 2)], Choice([0, 1], name=f"depth_{name}")) for name in ("left", "right")}
    supernet = nas.Supernet(nn.Sequential(blocks["left"], blocks["right"]))
    for left in (0, 1):
        for right in (0, 1):
            canonical = supernet.space.architecture({"depth_left": left, "depth_right": right, "kernel": 3})
            assert ("kernel" in canonical) == bool(left or right)
    assert supernet.space.size == 1 + 3 * 2


def test_along_one_path_of_nesting_all_conditions_hold() -> None:
    """The operation is tied to one that always runs, so that it alone does not say whether the block is there."""
    operation, kernel = Choice(["skip", "conv"], name="operation"), Choice([1, 3], name="kernel")
    inside = OneOf({"skip": nn.Identity(), "conv": Block(kernel, 2)}, operation)
    outside = OneOf({"skip": nn.Identity(), "conv": nn.Tanh()}, operation)
    supernet = nas.Supernet(nn.Sequential(outside, Repeat([inside], Choice([0, 1], name="depth"))))
    for depth in (0, 1):
        for name in ("skip", "conv"):
            canonical = supernet.space.architecture({"depth": depth, "operation": name, "kernel": 3})
            assert ("kernel" in canonical) == (depth == 1 and name == "conv")
    assert supernet.space.size == 2 + 1 + 2


def test_every_member_of_a_nested_space_runs_as_it_is_extracted() -> None:
    supernet = nested()
    x = torch.randn(1, 3, 6, 6)
    outputs = set()
    for architecture in supernet.space:
        supernet.activate(architecture)
        y = supernet(x)
        assert torch.equal(supernet.extract(architecture)(x), y)
        outputs.add(y.detach().numpy().tobytes())
    # deep 0 and skip are one network in two ways; all else differs.
    assert len(outputs) == supernet.space.size - 2


def test_the_first_architecture_is_the_largest() -> None:
    supernet = nested()
    assert supernet.architecture == supernet.space.largest()
    assert supernet.architecture["inner"] == 5


class Reads(nn.Module):
    """Holds a choice that only its own Python code could read."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.linear = Linear(3, Choice([1, 2]))
        for name, value in attributes.items():
            setattr(self, name, value)


UNREAD = Choice([1, 2])
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "no choice": (lambda: nn.Sequential(nn.Linear(2, 2)), r"Sequential holds no choice; put a nas\.Choice into"),
    "no choice, but elastic modules": (lambda: nn.Sequential(Linear(2, 2)), r"Sequential holds no choice"),
    "two of one name": (
        lambda: nn.Sequential(Linear(2, Choice([1, 2], name="w")), Linear(2, Choice([1, 2], name="w"))),
        r"two different choices are called 'w' \(the second is used in '1'\); give them different names, or use one",
    ),
    "a name that is a path": (
        lambda: nn.Sequential(Linear(2, Choice([1, 2])), Linear(2, Choice([1, 2], name="0.out_features"))),
        r"two different choices are called '0\.out_features'",
    ),
    "unread attribute": (
        lambda: nn.Sequential(Reads(rate=UNREAD)),
        r"'0\.rate' holds Choice\(\[1, 2\]\), which no layer of nas\.nn reads, so it would have no effect",
    ),
    "unread expression": (lambda: nn.Sequential(Reads(rate=UNREAD * 2)), r"'0\.rate' holds Choice"),
    "unread in a list": (lambda: nn.Sequential(Reads(rates=[1, (UNREAD,)])), r"'0\.rates' holds Choice"),
    "unread in a dictionary": (lambda: nn.Sequential(Reads(rates={"a": UNREAD})), r"'0\.rates' holds Choice"),
    "unread candidate": (
        lambda: nn.Sequential(OneOf({"a": nn.Identity(), "b": Reads(rate=UNREAD)})),
        r"'0\.b\.rate' holds Choice",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_models_that_are_no_space_are_refused(make: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        nas.Supernet(make())


def test_attributes_become_values_also_inside_containers() -> None:
    kernel, hidden = Choice([1, 3], name="kernel"), Choice([2, 4], name="hidden")
    block = Block(kernel, hidden)
    block.sizes = {"double": 2 * hidden, "pair": (kernel, "text")}  # type: ignore[assignment]
    network = nas.Supernet(nn.Sequential(block)).extract({"kernel": 3, "hidden": 4})
    plain = network.get_submodule("0")
    assert vars(plain)["kernels"] == [3]
    assert vars(plain)["sizes"] == {"double": 8, "pair": (3, "text")}
    assert block.kernels[0] is kernel, "the model itself keeps its choices"


def test_shared_modules_stay_shared() -> None:
    shared = Linear(Choice([2, 3], name="w"), 3)
    width = shared.arguments["in_features"]
    again = nn.Sequential(Linear(3, width), shared)
    supernet = nas.Supernet(nn.Sequential(Linear(4, width), shared, Linear(3, width), shared, again))
    network = supernet.extract({"w": 2})
    assert network.get_submodule("1") is network.get_submodule("3")
    x = torch.randn(5, 4)
    supernet.activate({"w": 2})
    assert torch.equal(network(x), supernet(x))
    assert [segment.path for _, segment in supernet.segments()] == ["0", "1", "2", "3", "4"]
    parts = [select(parameter, region).numel() for parameter, region in supernet.active_regions()]
    assert sum(parts) == sum(parameter.numel() for parameter in network.parameters()), "each parameter once"


def test_repeats_and_operations_are_opened_into_segments() -> None:
    supernet = nested()
    for values, paths in (
        ({"depth": 1}, ["0.0"]),
        ({"depth": 2, "operation": "skip"}, ["0.0", "0.1.0.skip", "0.1.1"]),
        ({"depth": 2, "operation": "deep", "deep": 0}, ["0.0", "0.1.1"]),
        ({"depth": 2, "operation": "deep", "deep": 1, "inner": 3}, ["0.0", "0.1.0.deep.0", "0.1.1"]),
    ):
        supernet.activate({"outer": 1, **values})
        assert [segment.path for _, segment in supernet.segments()] == paths


class InTraining(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = super().forward(x)
        return 2 * y if self.training else y


def test_a_model_with_a_forward_that_is_no_chain_is_one_segment() -> None:
    supernet = nas.Supernet(InTraining(Choice([1, 3], name="k"), Choice([2, 4], name="h")))
    assert supernet.unopened == "it does other things in training"
    ((key, segment),) = supernet.segments()
    assert segment.module is supernet.model
    assert {name for name, _ in key[1:]} == {"k", "h"}


class Hiding(nn.Module):
    def __init__(self, kept: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.head, self.kept = nn.Sequential(nas.nn.Linear(4, nas.Choice([2, 4]))), kept(nas.nn.Linear(4, 4))


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (lambda layer: [layer], r"'block\.kept' holds an elastic Linear in a list, .*; use torch\.nn\.ModuleList\."),
        (
            lambda layer: (1, [nn.Sequential(layer)]),
            r"'block\.kept' holds an elastic Linear in a tuple, .*ModuleList\.",
        ),
        (
            lambda layer: {"a": layer},
            r"'block\.kept' holds an elastic Linear in a dict, .*; use torch\.nn\.ModuleDict\.",
        ),
    ],
)
def test_elastic_modules_in_plain_containers_are_refused(kept: Callable[[nn.Module], Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        nas.Supernet(nn.Sequential(OrderedDict(block=Hiding(kept))))


def test_a_plain_list_of_layers_that_the_model_has_is_fine() -> None:
    model = Hiding(lambda layer: nn.ModuleList([layer]))
    model.listed = [*model.kept, model.head]  # type: ignore[assignment]
    nas.Supernet(model)
