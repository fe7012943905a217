"""What every elastic layer must do."""

from collections.abc import Callable, Iterator
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from nas.costs import StaticCosts, parameters, trace
from nas.export import OnnxNetwork, static_onnx
from nas.space import Architecture
from nas.supernet import Supernet

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
        dtype: of the input; integers are tokens below four.
        mixable: whether candidates can be mixed by soft gates, which must not change the shape of what others read.
    """

    model: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3, 8, 8)
    dtype = torch.float32
    mixable = True

    @pytest.mark.parametrize("training", [True, False])
    def test_the_extracted_layer_equals_the_elastic_one_at_every_candidate(self, training: bool) -> None:
        """Its outputs are the same, and so are the gradients of what it uses; the rest has none."""
        for supernet, architecture in self._members():
            network = supernet.train(training).extract(architecture)
            assert not any(type(module).__module__.startswith("nas.") for module in network.modules())
            supernet.activate(architecture)
            supernet.zero_grad()
            ours, theirs = supernet(self._input()), network(self._input())
            _close(ours, theirs)
            torch.autograd.backward([ours.sin().sum(), theirs.sin().sum()])
            used, expected = _gradients(supernet), _gradients(network)
            _close(used[: len(expected)], expected)
            assert not used[len(expected) :].any()

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
            _close(supernet(self._input()), expected)
            supernet(self._input()).sin().sum().backward()
            assert all(gate.grad is not None and gate.grad.isfinite().all() for gate in gates.values())

    def test_costs_are_those_of_the_extracted_layer(self) -> None:
        """Constraints on costs are checked without extracting anything."""
        for supernet, architecture in self._members():
            network, costs = supernet.extract(architecture), StaticCosts(supernet, self.shape, self.dtype)(architecture)
            flops = trace(network, self.shape, self.dtype).flops
            assert (costs["params"], costs["flops"]) == (parameters(network), flops)

    def test_the_exported_layer_answers_as_the_network(self) -> None:
        """Latency is measured on ONNX Runtime; the file is that of a fixed batch, as it is written for measuring."""
        for supernet, architecture in self._members():
            network = supernet.extract(architecture)
            file = static_onnx(network, self.shape, batch=len(self._input()), dtype=self.dtype)
            _close(OnnxNetwork(file)(self._input()), network(self._input()))

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
        generator = torch.Generator().manual_seed(1)
        if not self.dtype.is_floating_point:
            return torch.randint(0, 4, (4, *self.shape), generator=generator)
        return torch.randn(4, *self.shape, generator=generator)


def _gradients(module: nn.Module) -> Tensor:
    """The sizes of all, in order."""
    found = [each.grad.abs().flatten() for each in module.parameters() if each.grad is not None]
    return torch.cat(found).sort(descending=True).values


def _close(ours: Tensor, theirs: Tensor) -> None:
    """Up to rounding in numbers that are about as large as the largest."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.detach().abs().max()))
