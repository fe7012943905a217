"""What every elastic layer must do."""

from collections.abc import Callable, Iterator
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from nas.costs import StaticCosts, parameters, trace
from nas.export import check_parity, dynamic_onnx
from nas.space import Architecture
from nas.supernet import Supernet
from nas.tasks import Regression

__all__ = ["ElasticLayerSuite"]


class ElasticLayerSuite:
    """Tests of a layer with choices, such as those of :mod:`nas.nn`, within a model.

    >>> from nas import Choice
    >>> from nas.nn import Conv2d, Linear
    >>> class TestLinear(ElasticLayerSuite):
    ...     shape = (5,)
    ...     def model(self):
    ...         width = Choice([2, 4, 8], name="width")
    ...         return nn.Sequential(Linear(5, width), nn.ReLU(), Linear(width, 3))

    Attributes:
        model: the layer, between others that give it what it reads and end with ``[N, outputs]``, whatever is chosen.
        shape: of the input of the model for one example.
        mixable: whether candidates can be mixed by soft gates, which must not change the shape of what others read.
    """

    model: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3, 8, 8)
    mixable = True

    @pytest.mark.parametrize("training", [True, False])
    def test_the_extracted_layer_equals_the_elastic_one_at_every_candidate(self, training: bool) -> None:
        """Its outputs are the same to the bit, and so are the gradients of what it uses; the rest has none."""
        for supernet, architecture in self._members():
            network = supernet.train(training).extract(architecture)
            assert not any(type(module).__module__.startswith("nas.") for module in network.modules())
            supernet.activate(architecture)
            supernet.zero_grad()
            ours, theirs = supernet(self._input()), network(self._input())
            assert torch.equal(ours, theirs)
            torch.autograd.backward([ours.sin().sum(), theirs.sin().sum()])
            torch.testing.assert_close(_gradients(supernet), _gradients(network))

    def test_one_hot_gates_are_architectures_and_learn(self) -> None:
        """A method that learns gates mixes what is searched (DARTS, Liu et al., 2019)."""
        if not self.mixable:
            pytest.skip("its candidates cannot be mixed")
        for supernet, architecture in self._members():
            supernet.activate(architecture)
            expected, gates = supernet(self._input()), {}
            for name, options in supernet.options.items():
                position = options.index(architecture[name]) if name in architecture else 0
                gates[name] = torch.eye(len(options))[position].requires_grad_()
            supernet.mix(gates)
            torch.testing.assert_close(supernet(self._input()), expected, rtol=1e-4, atol=1e-5)
            supernet(self._input()).sin().sum().backward()
            assert all(gate.grad is not None and gate.grad.isfinite().all() for gate in gates.values())

    def test_costs_are_those_of_the_extracted_layer(self) -> None:
        """Constraints on costs are checked without extracting anything."""
        for supernet, architecture in self._members():
            network, costs = supernet.extract(architecture), StaticCosts(supernet, self.shape)(architecture)
            assert (costs["params"], costs["flops"]) == (parameters(network), trace(network, self.shape).flops)

    def test_the_exported_layer_answers_as_the_network(self) -> None:
        """ONNX Runtime has what the extracted layer is made of."""
        supernet, _ = next(self._members())
        network = supernet.extract(supernet.space.smallest()).eval()
        parity = check_parity(network, dynamic_onnx(network, self.shape), self._input(), Regression())
        assert parity.max_difference < 1e-4

    def _members(self) -> Iterator[tuple[Supernet, Architecture]]:
        """Up to twelve architectures, the largest among them, and the supernet with random weights and statistics."""
        torch.manual_seed(0)
        supernet = Supernet(self.model()).eval()
        for name, tensor in supernet.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if name.endswith("running_var") else tensor.normal_()
        for architecture in dict.fromkeys([supernet.space.largest(), *islice(supernet.space, 12)]):
            yield supernet, architecture

    def _input(self) -> Tensor:
        return torch.randn(4, *self.shape, generator=torch.Generator().manual_seed(1))


def _gradients(module: nn.Module) -> Tensor:
    """All that are not zero, in order of size."""
    found = torch.cat([each.grad.flatten() for each in module.parameters() if each.grad is not None])
    return found[found != 0].sort().values
