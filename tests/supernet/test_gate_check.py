"""A model that does not compute the slice under a one-hot gate is refused when it first runs under soft gates."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import BatchNorm2d, Conv2d, Linear, OneOf, Repeat
from nas.nn.switchable import SwitchableBatchNorm2d, UngatedConv2d, interpolate_channels
from nas.space import Choice, concatenate


class Gated(nn.Module):
    """Half of the channels times the other half, as in NAFNet; ``join`` makes the width that is split."""

    def __init__(self, join: Callable[[Any], Any]) -> None:
        super().__init__()
        width = Choice([4, 8], name="width")
        self.a = Conv2d(1, join(width), 3, padding=1)
        self.b = Conv2d(width, width, 3, padding=1)
        self.head = Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        u, v = self.a(x).chunk(2, 1)
        y: Tensor = self.head(self.b(u * v).mean((2, 3)))
        return y


class Shuffled(nn.Module):
    """Channels interleaved as in ShuffleNet, in a block that is run at the larger depth alone."""

    def __init__(self) -> None:
        super().__init__()
        width = Choice([4, 8], name="width")
        self.a, self.b = Conv2d(4, width, 1), Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        y = y.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        z: Tensor = self.b(y)
        return z


def soft(supernet: nas.Supernet) -> nas.Supernet:
    supernet.mix({name: torch.full((len(each),), 1 / len(each)) for name, each in supernet.options.items()})
    return supernet


X = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_split_channels_are_refused_with_the_choice_the_place_and_the_remedy() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(Gated(lambda width: 2 * width))
    supernet(X)
    sentence = r"choice 'width' at 4 cannot be mixed.*the output of 'b' is not that of.*nas\.space\.concatenate\(c, c\)"
    with pytest.raises(UsageError, match=sentence):
        soft(supernet)(X)


def test_the_remedy_is_right() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(Gated(lambda width: concatenate(width, width)))
    soft(supernet)(X)
    supernet.eval()
    supernet.activate(supernet.space.smallest())
    expected = supernet(X)
    supernet.mix({"width": torch.tensor([1.0, 0.0])})
    torch.testing.assert_close(supernet(X), expected)


def test_what_neither_the_smallest_nor_the_largest_network_runs_is_checked_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1),
        OneOf({"whole": nn.Conv2d(4, 4, 5, padding=2), "shuffled": Shuffled(), "skip": nn.Identity()}),
    )
    with pytest.raises(UsageError, match=r"choice 'width' at 4 cannot be mixed .*'1\.shuffled\.b'"):
        soft(nas.Supernet(model))(X)


def test_the_check_leaves_gates_modes_and_statistics_as_they_were_and_runs_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    width, depth = Choice([2, 4], name="width"), Choice([1, 2], name="depth")
    blocks = [nn.Sequential(Conv2d(width, width, 3, padding=1), BatchNorm2d(width), nn.ReLU()) for _ in range(2)]
    supernet = nas.Supernet(nn.Sequential(Conv2d(1, width, 1), Repeat(blocks, depth), Conv2d(width, 1, 1)))
    buffers = {name: each.clone() for name, each in supernet.named_buffers()}
    state = torch.get_rng_state()
    soft(supernet).eval()
    first = supernet(X)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(buffers[name], each) for name, each in supernet.named_buffers())
    supernet.train()
    runs: list[Tensor] = []
    supernet.model.register_forward_pre_hook(lambda module, inputs: runs.append(inputs[0]))
    supernet(X)
    assert len(runs) == 1 and all(module.training for module in supernet.modules())
    supernet.eval()
    assert first.requires_grad and len(runs) == 1


def test_sizes_that_are_aligned_feature_by_feature_are_no_slices() -> None:
    torch.manual_seed(0)
    width = Choice([2, 4], name="width")
    norm = SwitchableBatchNorm2d(width, align=interpolate_channels)
    soft(nas.Supernet(nn.Sequential(UngatedConv2d(1, width, 1), norm, Conv2d(width, 1, 1))))(X)
