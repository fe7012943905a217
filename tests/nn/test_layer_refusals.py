"""What a layer cannot do is refused with a sentence, when it is built or when it is asked."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import BatchNorm2d, Cell, Conv2d, Embedding, GroupNorm, LayerNorm, Linear, OneOf, Repeat, Zero
from nas.space import Choice, concatenate

WIDTH = Choice([4, 6], name="width")
KERNEL = Choice([3, 5], name="kernel")
OTHER = Choice([2, 3], name="other")

AT_CONSTRUCTION: dict[str, tuple[Callable[[], Any], str]] = {
    "groups that do not divide": (
        lambda: Conv2d(WIDTH, 8, 3, groups=4),
        r"Conv2d groups=4 does not divide in_channels=6 and out_channels=8; let the groups follow the width",
    ),
    "groups that do not divide the outputs": (
        lambda: Conv2d(8, WIDTH, 3, groups=4),
        r"Conv2d groups=4 does not divide in_channels=8 and out_channels=6",
    ),
    "padding mode": (
        lambda: Conv2d(3, WIDTH, 3, padding=1, padding_mode="reflect"),
        r"Conv2d with choices supports padding_mode='zeros' only, not 'reflect'\.",
    ),
    "padding row that is not always there": (
        lambda: Embedding(OTHER, 4, padding_idx=2),
        r"Embedding padding_idx=2 is no row when num_embeddings=2; take one from 0",
    ),
    "max_norm": (lambda: Embedding(5, WIDTH, max_norm=1.0), r"Embedding cannot have max_norm when a size is a choice"),
    "layer norm over several dimensions": (
        lambda: LayerNorm([7, WIDTH]),
        r"LayerNorm normalized_shape=.* has a choice among several dimensions; only a single last dimension",
    ),
    "group norm": (lambda: GroupNorm(4, WIDTH), r"GroupNorm num_groups=4 does not divide num_channels=6\."),
    "no candidates": (lambda: OneOf([]), r"OneOf has no candidates; give at least one module\."),
    "unknown candidates": (
        lambda: OneOf({"a": nn.Identity()}, Choice(["a", "b"])),
        r"OneOf has candidates \['a'\], but its choice also names \['b'\]\.",
    ),
    "a name with a dot": (lambda: OneOf({"a.b": nn.Identity()}), r"OneOf cannot call a candidate 'a\.b'; its name is"),
    "an empty name": (lambda: OneOf({"": nn.Identity()}), r"OneOf cannot call a candidate ''; its name is taken"),
    "a name of the module's own": (lambda: OneOf({"gate": nn.Identity()}), r"OneOf cannot call a candidate 'gate'"),
    "two names that read alike": (
        lambda: OneOf({1: nn.Identity(), "1": nn.ReLU()}),  # type: ignore[dict-item]
        r"OneOf cannot call a candidate '1'; its name is taken",
    ),
    "too deep": (lambda: Repeat([nn.ReLU()] * 2, Choice([1, 3])), r"Repeat depth can be 3, but it has 2 blocks\."),
    "negative depth": (lambda: Repeat([nn.ReLU()], OTHER - 3), r"Repeat depth can be -1, but it has 1 block\."),
    "fractional depth": (lambda: Repeat([nn.ReLU()] * 2, Choice([1, 1.5])), r"Repeat depth can be 1\.5"),
    "fixed depth": (lambda: Repeat([nn.ReLU()], 2), r"Repeat depth can be 2, but it has 1 block\."),
    "different widths": (
        lambda: Repeat([Conv2d(3, 4, 1), Conv2d(4, 5, 1)], Choice([1, 2])),
        r"Repeat blocks end in different widths \[4, 5\], so the next layer would depend on the depth; give every",
    ),
    "different choices of width": (
        lambda: Repeat([Declares(WIDTH), Declares(Choice([4, 6]))], Choice([1, 2])),
        r"Repeat blocks end in different widths",
    ),
    "edge backwards": (lambda: Cell({(2, 1): nn.ReLU()}), r"Cell edge \(2, 1\) must lead from an earlier node"),
    "edge to itself": (lambda: Cell({(1, 1): nn.ReLU()}), r"Cell edge \(1, 1\) must lead from an earlier node"),
    "edge from nowhere": (lambda: Cell({(-1, 1): nn.ReLU()}), r"Cell edge \(-1, 1\) must lead"),
    "edge into an input": (lambda: Cell({(0, 1): nn.ReLU()}, inputs=2), r"Cell edge \(0, 1\) must lead .* inner node"),
    "lonely node": (lambda: Cell({(0, 2): nn.ReLU()}), r"Cell node 1 has no edge that leads into it\."),
    "no edges": (lambda: Cell({}), r"Cell node 1 has no edge that leads into it\."),
}


class Declares(nn.Module):
    def __init__(self, out_channels: Any) -> None:
        super().__init__()
        self.out_channels = out_channels


@pytest.mark.parametrize(("mistake", "sentence"), AT_CONSTRUCTION.values(), ids=AT_CONSTRUCTION)
def test_refused_at_construction(mistake: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        mistake()
    assert "\n" not in str(caught.value)


def test_widths_before_the_least_depth_may_differ() -> None:
    Repeat([Conv2d(3, 4, 1), Conv2d(4, 5, 1), Conv2d(5, 5, 1)], Choice([2, 3]))
    Repeat([Conv2d(3, 4, 1), Conv2d(4, 5, 1)], 2)


UNDER_SOFT_GATES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "stride": (
        lambda: Conv2d(3, 4, 3, stride=Choice([1, 2])),
        r"Conv2d stride cannot follow a soft gate over \[1, 2\]; put one layer for each value into a nas\.nn\.OneOf",
    ),
    "number of groups": (lambda: Conv2d(4, 4, 3, groups=Choice([1, 2])), r"Conv2d groups cannot follow a soft gate"),
    "input width of groups": (lambda: Conv2d(WIDTH, 4, 1, groups=2), r"Conv2d in_channels with groups=2 cannot follow"),
    "output width of groups": (lambda: Conv2d(4, WIDTH, 1, groups=2), r"Conv2d out_channels with groups=2 cannot"),
    "kernels without padding": (
        lambda: Conv2d(3, 4, KERNEL),
        r"Conv2d kernels \[\(3, 3\), \(5, 5\)\] cannot be mixed: paddings .* do not centre them; use padding=kernel //",
    ),
    "kernels, valid": (lambda: Conv2d(3, 4, KERNEL, padding="valid"), r"do not centre them"),
    "kernels with the padding of one": (lambda: Conv2d(3, 4, KERNEL, padding=1), r"do not centre them"),
    "even beside odd": (lambda: Conv2d(3, 4, OTHER, padding="same"), r"do not centre them"),
    "even beside odd, dilated": (lambda: Conv2d(3, 4, OTHER, padding=OTHER - 1, dilation=2), r"do not centre them"),
    "dilations": (lambda: Conv2d(3, 4, 3, dilation=OTHER, padding=OTHER), r"cannot be mixed"),
    "padding": (lambda: Conv2d(3, 4, 3, padding=Choice([0, 1])), r"cannot be mixed"),
    "named paddings": (lambda: Conv2d(3, 4, 3, padding=Choice(["valid", "same"])), r"cannot be mixed"),
    "groups of a norm": (lambda: GroupNorm(OTHER, 6), r"GroupNorm num_groups cannot follow a soft gate over \[2, 3\]"),
    "group norm of a concatenation": (
        lambda: GroupNorm(1, concatenate(WIDTH, OTHER)),
        r"GroupNorm over a concatenation cannot follow a soft gate; normalise each part by itself\.",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), UNDER_SOFT_GATES.values(), ids=UNDER_SOFT_GATES)
def test_refused_under_soft_gates(make: Callable[[], nn.Module], sentence: str) -> None:
    supernet = nas.Supernet(nn.Sequential(make()))
    gates = {name: torch.full((len(c),), 1 / len(c)) for name, c in supernet.space.choices.items()}
    with pytest.raises(UsageError, match=sentence):
        supernet.mix(gates)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", sorted(UNDER_SOFT_GATES.keys() - {"group norm of a concatenation"}))
def test_but_a_single_active_candidate_is_allowed(name: str) -> None:
    supernet = nas.Supernet(nn.Sequential(UNDER_SOFT_GATES[name][0]())).eval()
    x = torch.randn(1, getattr(supernet.model[0], "in_channels", 6), 5, 5)  # type: ignore[index]
    x = x[:, :4] if "width of groups" in name else x
    first = {choice: candidates[0] for choice, candidates in supernet.space.choices.items()}
    supernet.activate(first)
    expected = supernet(x)
    gates = {choice: torch.ones(len(c), requires_grad=True) for choice, c in supernet.space.choices.items()}
    supernet.mix(gates, active={choice: [0] for choice in gates})
    assert torch.equal(supernet(x), expected)


UNACTIVATED: list[tuple[Callable[[], nn.Module], Tensor]] = [
    (lambda: Conv2d(3, WIDTH, 1), torch.zeros(1, 3, 2, 2)),
    (lambda: Linear(3, WIDTH), torch.zeros(1, 3)),
    (lambda: BatchNorm2d(WIDTH), torch.zeros(1, 6, 2, 2)),
    (lambda: OneOf([nn.ReLU(), nn.Identity()]), torch.zeros(1)),
    (lambda: Repeat([nn.ReLU()], Choice([0, 1])), torch.zeros(1)),
    (lambda: Cell({(0, 1): OneOf([Zero(), nn.ReLU()])}), torch.zeros(1)),
]


@pytest.mark.parametrize(("make", "x"), UNACTIVATED)
def test_a_layer_with_choices_needs_a_supernet(make: Callable[[], nn.Module], x: Tensor) -> None:
    with pytest.raises(UsageError, match=r"has no active architecture; wrap the model in nas\.Supernet"):
        make()(x)


TORCH_LAYERS: dict[str, Callable[[], Any]] = {
    "Conv2d": lambda: nn.Conv2d(3, WIDTH, 3),
    "Conv1d": lambda: nn.Conv1d(WIDTH, 3, 1),
    "Linear": lambda: nn.Linear(WIDTH, 2),
    "Embedding": lambda: nn.Embedding(5, WIDTH),
    "BatchNorm2d": lambda: nn.BatchNorm2d(2 * WIDTH),
    "LayerNorm": lambda: nn.LayerNorm(WIDTH),
    "GroupNorm": lambda: nn.GroupNorm(OTHER, 6),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, OTHER),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(WIDTH, 2),
    "Dropout": lambda: nn.Dropout(WIDTH / 10),
}


@pytest.mark.parametrize(("name", "make"), TORCH_LAYERS.items(), ids=TORCH_LAYERS)
def test_a_torch_layer_that_is_given_a_choice_names_its_twin(name: str, make: Callable[[], Any]) -> None:
    sentence = rf"torch\.nn\.{name} was given Choice\(\[.*\], name='\w+'\), but only .*; use nas\.nn\.{name},"
    with pytest.raises(UsageError, match=sentence):
        make()


def test_a_subclass_of_a_torch_layer_names_the_twin_of_that() -> None:
    class Mine(nn.Linear):
        pass

    with pytest.raises(UsageError, match=r"torch\.nn\.Linear was given Choice.*; use nas\.nn\.Linear,"):
        Mine(WIDTH, 3)


def test_a_torch_layer_that_keeps_a_choice_is_refused_by_the_supernet() -> None:
    model = nn.Sequential(Conv2d(1, 4, KERNEL, padding=KERNEL // 2), nn.MaxPool2d(KERNEL, padding=KERNEL // 2))
    with pytest.raises(
        UsageError, match=r"'1\.kernel_size' holds Choice.*but torch\.nn\.MaxPool2d takes no choice; use"
    ):
        nas.Supernet(model)


def test_a_size_that_torch_is_asked_for_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match=r"was used as an argument of torch\.zeros\(\), but it has no value until"):
        torch.zeros(3, WIDTH)
