"""A run says what it takes as the largest network where the listing does not."""

from torch import nn

import nas
from nas.nn import Conv2d, OneOf
from nas.runs.largest import largest_notes
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
