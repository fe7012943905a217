"""A supernet whose networks are not what was evaluated is refused, with the module that differs."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from tiny_nets import MODELS, blobs, scramble, supernet
from torch import Tensor, nn

import nas
from nas.evaluation import SharedWeights, Trie, check_extraction, check_verdict
from nas.nn import Conv2d, Elastic, Gates, Linear, OneOf
from nas.space import Choice

every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_what_is_judged_is_delivered(name: str) -> None:
    network, data = supernet(name).train(), blobs()
    evaluator = SharedWeights(network, data, 64, 32)
    for architecture in (network.space.smallest(), network.space.sample(1)):
        network.train()
        check_extraction(network, architecture, data.validation.images[:8])
        assert network.training and network.architecture == architecture
        network.eval()
        check_verdict(evaluator, architecture)


class Doubled(Elastic):
    """Its plain module forgets to double."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.arguments, self.module = {}, module

    def configure(self, gates: Gates) -> None:
        """Nothing to follow."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = 2 * self.module(x)
        return y

    def plain(self, copy: Any) -> nn.Module:
        return nn.Sequential(copy(self.module))


def faulty() -> nas.Supernet:
    torch.manual_seed(0)
    block = nn.Sequential(Conv2d(1, 4, Choice([1, 3], name="kernel")), Doubled(nn.Tanh()))
    return nas.Supernet(
        nn.Sequential(OneOf([block], Choice([0])), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(4, 4))
    ).eval()


def test_the_first_module_that_differs_is_named() -> None:
    network = faulty()
    with pytest.raises(nas.UsageError, match=r"'0\.1' \(Sequential\) does not compute .* \(up to .* apart"):
        check_extraction(network, network.space.smallest(), blobs().validation.images[:8])


class Reads(nn.Module):
    """Reads what a plain layer does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv2d(1, Choice([2, 4]), 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x) * len(self.conv.state.regions)
        return y


def test_a_network_that_cannot_be_run_is_refused() -> None:
    network = nas.Supernet(Reads()).eval()
    with pytest.raises(nas.UsageError, match=r"cannot be run .*Conv2d.* has no attribute 'state'"):
        check_extraction(network, network.space.smallest(), blobs().validation.images[:8])


def test_statistics_of_another_network_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets(trie: Trie, batches: Iterable[Tensor]) -> None:
        """Leaves the statistics as they were."""

    network = scramble(supernet("chain"))
    evaluator = SharedWeights(network, blobs(), 64, 32)
    check_verdict(evaluator, network.space.largest())
    monkeypatch.setattr(Trie, "calibrate", forgets)
    with pytest.raises(nas.UsageError, match=r"'.+' \(BatchNorm2d\) does not compute .* where it is evaluated"):
        check_verdict(evaluator, network.space.largest())


def test_hooks_on_a_sequence_run_where_it_is_judged() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(OneOf([nn.Tanh(), nn.ReLU()]), nn.Flatten())
    model = nn.Sequential(Conv2d(1, 4, Choice([1, 3])), inner, nn.Linear(16, 4))
    inner.register_forward_hook(lambda module, inputs, output: output[:, :16] * 3)
    model.register_forward_hook(lambda module, inputs, output: output + 1)
    network = nas.Supernet(model).eval()
    evaluator = SharedWeights(network, blobs(), 64, 32)
    for architecture in network.space:
        check_extraction(network, architecture, blobs().validation.images[:8])
        check_verdict(evaluator, architecture)
