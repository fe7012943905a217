"""What every sharing scheme must do."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nas.costs import StaticCosts
from nas.errors import UsageError
from nas.evaluation import Trie, recalibrate
from nas.sharing import Sharing
from nas.space import Architecture
from nas.supernet import Supernet
from nas.testing.spaces import SHAPE, small_model

__all__ = ["SharingSuite"]


class SharingSuite:
    """Tests of a :class:`nas.sharing.Sharing`.

    >>> from nas.sharing import Tied
    >>> class TestTied(SharingSuite):
    ...     def make(self):
    ...         return Tied()

    Attributes:
        make: a fresh scheme.
        model: what is shared, for images ``[N, 1, 8, 8]``.
    """

    make: Callable[[], Sharing]
    model: Callable[[], nn.Module] = staticmethod(small_model)

    def test_the_extracted_network_is_the_active_one(self) -> None:
        """Its outputs and gradients are the same, it is plain torch, all of it can learn, and costs count it."""
        supernet = self._supernet()
        costs = StaticCosts(supernet, SHAPE)
        for architecture in self._some(supernet):
            network = supernet.extract(architecture)
            assert not any(type(module).__module__.startswith("nas.") for module in network.modules())
            supernet.activate(architecture)
            (ours, x), (theirs, y) = [(each(x), x) for each in (supernet, network) for x in [_images(grad=True)]]
            torch.autograd.backward([ours.square().sum(), theirs.square().sum()])
            torch.testing.assert_close((ours, x.grad), (theirs, y.grad), rtol=1e-4, atol=1e-5)
            assert all(parameter.grad is not None for parameter in network.parameters())
            assert costs(architecture)["params"] == sum(each.numel() for each in network.parameters())

    def test_what_an_architecture_does_not_see_has_no_gradient(self) -> None:
        """So that neither momentum nor weight decay moves it, and something that it sees moves."""
        supernet = self._supernet()
        optimizer = torch.optim.SGD(supernet.parameters(), 0.001, momentum=0.9, weight_decay=0.1)
        everything = dict(supernet.named_parameters())
        for architecture in [*self._some(supernet), supernet.space.smallest()]:
            before = {name: each.detach().clone() for name, each in everything.items()}
            optimizer.zero_grad()
            supernet.activate(architecture)
            supernet(_images()).square().sum().backward()
            optimizer.step()
            moved = {name for name, each in everything.items() if not torch.equal(each, before[name])}
            assert moved and moved <= {name for name, each in everything.items() if each.grad is not None}
        assert any(each.grad is None for each in everything.values())

    def test_a_population_is_evaluated_as_each_alone_and_as_its_network(self) -> None:
        """Architectures with equal keys up to a block share what the trie computes, so they must see the same there."""
        supernet = self._supernet().eval()
        population = list(dict.fromkeys(self._some(supernet)))
        together = _outputs(supernet, population)
        for architecture, output in zip(population, together, strict=True):
            assert torch.equal(output, _outputs(supernet, [architecture])[0])
            network = supernet.extract(architecture)
            recalibrate(network, [_images()])
            torch.testing.assert_close(output, network(_images()), rtol=1e-4, atol=1e-5)

    def test_a_state_dict_brings_all_weights_back(self) -> None:
        """Checkpoints, workers and ``nas rank`` make the scheme anew and load it."""
        supernet, other = self._supernet().eval(), self._supernet(seed=1).eval()
        other.load_state_dict(supernet.state_dict())
        for architecture in self._some(supernet):
            supernet.activate(architecture)
            other.activate(architecture)
            assert torch.equal(supernet(_images()), other(_images()))

    def test_banks_are_those_that_it_says(self) -> None:
        """An architecture sees the weights of one of them or of several, and nobody those of another."""
        supernet = self._supernet()
        sharing = supernet.sharing
        assert {sharing.bank_of(each) for each in self._some(supernet)} <= {None, *range(sharing.banks)}
        assert json.loads(json.dumps(sharing.describe()))["banks"] == sharing.banks >= 1
        with pytest.raises(UsageError):
            supernet.activate(supernet.space.largest(), bank=sharing.banks)

    @torch.no_grad()
    def _supernet(self, seed: int = 0) -> Supernet:
        """Every parameter and statistic of every bank has a value of its own."""
        torch.manual_seed(seed)
        supernet = Supernet(self.model(), self.make())
        for name, tensor in supernet.state_dict().items():
            if tensor.is_floating_point() and "_extra_state" not in name:
                tensor.add_(0.1 * torch.rand_like(tensor))
        return supernet

    @staticmethod
    def _some(supernet: Supernet) -> list[Architecture]:
        space = supernet.space
        return [space.smallest(), space.largest(), *(space.sample(seed) for seed in range(3))]


def _images(grad: bool = False) -> Tensor:
    return torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(1)).requires_grad_(grad)


def _outputs(supernet: Supernet, population: list[Architecture]) -> list[Tensor]:
    trie = Trie(supernet, population)
    trie.calibrate([_images()])
    return trie.outputs(_images())
