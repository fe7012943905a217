"""A run says what it takes as the largest network where the listing does not, and why a model is one block."""

import pytest
from torch import Tensor, nn

import nas
from nas.nn import Conv2d, Linear, OneOf
from nas.runs.model_notes import largest_notes, opening_notes
from nas.space import Choice


def conv(kernel: int) -> nn.Module:
    return nn.Conv2d(1, 1, kernel, padding=kernel // 2)


def test_nothing_is_said_where_the_listing_agrees_or_numbers_decide() -> None:
    layers = [OneOf({"skip": nn.Identity(), "k3": conv(3), "k5": conv(5)}), Conv2d(1, Choice([8, 4], name="width"), 1)]
    assert largest_notes(nas.Supernet(nn.Sequential(*layers))) == []


def test_what_is_largest_is_said_where_it_is_not_listed_last() -> None:
    layers = [OneOf({"k3": conv(3), "k5": conv(5), "skip": nn.Identity()}) for _ in range(4)]
    (note,) = largest_notes(nas.Supernet(nn.Sequential(*layers)))
    assert note == (
        "The largest network takes what costs most, not what is listed last: k5 for 0, 1 and 2 more choices."
    )


def test_a_tie_is_said() -> None:
    (note,) = largest_notes(nas.Supernet(nn.Sequential(OneOf({"skip": nn.Identity(), "b": conv(3), "a": conv(3)}))))
    assert note.startswith("Several candidates cost as much as the largest (a, b for 0); the largest network takes")


class Scaled(nn.Module):
    """Its last layer follows nothing, and its forward looks at it or does not."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.first, self.last, self.looks = Linear(3, width := Choice([2, 4], name="width")), Linear(width, 2), looks

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.first(x))
        return y * self.last.out_features if self.looks else y


@pytest.mark.parametrize(
    ("looks", "input_shape", "reason"),
    [
        (True, (3,), "it reads 'out_features' of module 'last'"),
        (False, None, "the shape of its input is not known (input_shape of nas.Supernet)"),
    ],
)
def test_why_a_model_is_judged_as_a_whole_is_said(looks: bool, input_shape: tuple[int] | None, reason: str) -> None:
    assert opening_notes(nas.Supernet(Scaled(looks), input_shape=input_shape)) == [
        f"The forward of Scaled is not opened into blocks, since {reason}; so candidates share no activations and the "
        "report shows one block."
    ]


def test_nothing_is_said_of_a_chain_and_of_a_sequence() -> None:
    for model in (Scaled(False), nn.Sequential(Linear(3, Choice([2, 4], name="width")))):
        assert opening_notes(nas.Supernet(model, input_shape=(3,))) == []
