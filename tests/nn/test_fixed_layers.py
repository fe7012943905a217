"""Without choices a layer is its torch twin: same initial values, same output, same class when extracted."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas

IMAGES = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
CASES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], Tensor]] = {
    "conv": ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, IMAGES),
    "conv, rectangle": ("Conv2d", (4, 6, (3, 1)), {"padding": (1, 0), "bias": False}, IMAGES),
    "conv, reflected": ("Conv2d", (4, 6, 3), {"padding": 1, "padding_mode": "reflect"}, IMAGES),
    "conv, same": ("Conv2d", (4, 4, 3), {"padding": "same", "dilation": 2, "groups": 4}, IMAGES),
    "linear": ("Linear", (6, 5), {"bias": False}, IMAGES),
    "batch norm": ("BatchNorm2d", (4,), {"eps": 1e-3, "momentum": None}, IMAGES),
    "batch norm, bare": ("BatchNorm2d", (4,), {"affine": False, "track_running_stats": False}, IMAGES),
    "layer norm": ("LayerNorm", ((6, 6),), {"bias": False}, IMAGES),
    "layer norm, bare": ("LayerNorm", (6,), {"elementwise_affine": False}, IMAGES),
    "group norm": ("GroupNorm", (2, 4), {"eps": 1e-2}, IMAGES),
    "embedding": ("Embedding", (5, 3), {"padding_idx": 0, "max_norm": 0.5}, torch.tensor([[0, 1, 4]])),
}


def built(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return make()


@pytest.mark.parametrize(("kind", "args", "kwargs", "x"), CASES.values(), ids=CASES)
def test_a_fixed_layer_is_its_twin(kind: str, args: tuple[Any, ...], kwargs: dict[str, Any], x: Tensor) -> None:
    ours, theirs = (built(partial(getattr(library, kind), *args, **kwargs), seed=3) for library in (nas.nn, nn))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert repr(ours) == repr(theirs)
    supernet = nas.Supernet(nn.Sequential(ours, nas.nn.OneOf([nn.Identity()])))
    plain = supernet.extract(supernet.architecture).get_submodule("0")
    assert type(plain) is type(theirs) and repr(plain) == repr(theirs)
    expected = theirs(x)
    assert torch.equal(plain(x), expected) and torch.equal(ours(x), expected)
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize("seed", [0, 1])
def test_an_elastic_layer_is_initialised_as_its_widest_twin(seed: int) -> None:
    width, kernel = nas.Choice([4, 8]), nas.Choice([3, 5])
    pairs: list[tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = [
        (lambda: nas.nn.Conv2d(width, width, kernel, groups=width), lambda: nn.Conv2d(8, 8, 5, groups=8)),
        (lambda: nas.nn.Conv2d(width, 16, kernel), lambda: nn.Conv2d(8, 16, 5)),
        (lambda: nas.nn.Linear(width, 2 * width), lambda: nn.Linear(8, 16)),
        (lambda: nas.nn.Embedding(7, width), lambda: nn.Embedding(7, 8)),
    ]
    for elastic, twin in pairs:
        ours, theirs = built(elastic, seed), built(twin, seed)
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
