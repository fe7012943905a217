"""Search spaces small enough to be searched and trained in a blink."""

from torch import nn

from nas.nn import BatchNorm2d, Conv2d, Linear, Repeat
from nas.space import Choice, Condition, Space

__all__ = ["NESTED", "SHAPE", "WIDE", "small_model"]

SHAPE = (1, 8, 8)
WIDE = Space({f"c{index}": [1, 2, 3, 4] for index in range(8)})
NESTED = Space(
    {"depth": [1, 2, 3], "a": ["x", "y"], "b": ["x", "y", "z"], "c": [3, 5, 7]},
    {
        "b": [(Condition(("depth",), frozenset({(1,), (2,)})),)],
        "c": [(Condition(("depth",), frozenset({(2,)})), Condition(("b",), frozenset({(0,), (1,)})))],
    },
)


def small_model() -> nn.Module:
    """Of kernel, width and depth, for images of :data:`SHAPE` in ten classes."""
    kernel, width = Choice([1, 3], name="kernel"), Choice([4, 6], name="width")
    blocks = [
        nn.Sequential(Conv2d(width, width, kernel, padding=kernel // 2), BatchNorm2d(width), nn.ReLU())
        for _ in range(3)
    ]
    body = Repeat(blocks, Choice([1, 2, 3], name="depth"))
    head = nn.AdaptiveAvgPool2d(2), nn.Flatten(), Linear(4 * width, 10)
    return nn.Sequential(Conv2d(1, width, 3, stride=2), body, *head)
