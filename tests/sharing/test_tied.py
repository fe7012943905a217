"""Layers that use the weights of earlier ones."""

import pytest
import torch
from torch import nn

import nas
from nas.costs import StaticCosts
from nas.nn import BatchNorm2d, Conv2d, Repeat
from nas.sharing import Tied
from nas.space import Choice
from search_spaces.transformer_lm import transformer_lm


def block(kernel: Choice | int = 3) -> nn.Module:
    return nn.Sequential(Conv2d(4, 4, kernel, padding=kernel // 2), BatchNorm2d(4), nn.ReLU())


def tower(depth: object = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), Repeat([block() for _ in range(3)], depth), nn.Flatten())


def images() -> torch.Tensor:
    return torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def test_every_layer_may_use_the_weights_of_itself_or_of_an_earlier_one() -> None:
    space = nas.Supernet(tower(Choice([1, 2, 3], name="depth")), Tied()).space
    assert space.choices == {"depth": (1, 2, 3), "1.1.weights": (0, 1), "1.2.weights": (0, 1, 2)}
    assert space.size == 1 + 2 + 6


def test_a_tied_layer_computes_with_the_weights_of_the_other() -> None:
    supernet = nas.Supernet(tower(), Tied(["1.*"])).eval()
    supernet.activate({"1.1.weights": 0, "1.2.weights": 1})
    with torch.no_grad():
        output = supernet(images())
        model = tower().eval()
        model[1].get_submodule("1").load_state_dict(model[1].get_submodule("0").state_dict())
        second = tower()[1].get_submodule("1").state_dict()
        model[1].get_submodule("2").load_state_dict(second)
        expected = model(images())
    assert torch.equal(output, expected)


def test_own_weights_everywhere_is_the_plain_model() -> None:
    supernet = nas.Supernet(tower(), Tied())
    supernet.activate(supernet.space.largest())
    assert torch.equal(supernet.eval()(images()), tower().eval()(images()))


def test_the_extracted_network_holds_tied_parameters_once() -> None:
    supernet = nas.Supernet(tower(), Tied())
    together, apart = supernet.space.smallest(), supernet.space.largest()
    network = supernet.extract(together)
    per_block = 4 * 4 * 9 + 4 + 8
    assert sum(each.numel() for each in network.parameters()) == 40 + per_block
    assert sum(each.numel() for each in supernet.extract(apart).parameters()) == 40 + 3 * per_block
    assert network[1][0][0].weight is network[1][2][0].weight
    assert StaticCosts(supernet, (1, 6, 6))(together)["params"] == 40 + per_block


def test_statistics_of_batch_norm_stay_with_the_layer() -> None:
    supernet = nas.Supernet(tower(), Tied())
    supernet.activate(supernet.space.smallest())
    supernet.train()(images())
    network = supernet.extract(supernet.space.smallest())
    assert not torch.equal(network[1][0][1].running_mean, network[1][1][1].running_mean)


def test_gradients_of_tied_layers_add_up() -> None:
    supernet = nas.Supernet(tower(), Tied())
    supernet.activate(supernet.space.smallest())
    supernet(images()).sum().backward()
    first, second = (supernet.model[1].get_submodule(f"{index}.0").weight for index in range(2))
    assert first.grad is not None
    assert second.grad is None


def test_layers_of_other_choices_are_cut_from_the_same_weights() -> None:
    torch.manual_seed(0)
    kernels = [Choice([1, 3], name=f"kernel{index}") for index in range(2)]
    supernet = nas.Supernet(nn.Sequential(nn.Conv2d(1, 4, 1), *(block(kernel) for kernel in kernels)), Tied(["1", "2"]))
    for values in ({"kernel0": 3, "kernel1": 1}, {"kernel0": 3, "kernel1": 3}):
        network = supernet.extract({**values, "2.weights": 0})
        small = values["kernel1"] // 2
        centre = network[1][0].weight[:, :, 1 - small : 2 + small, 1 - small : 2 + small]
        assert torch.equal(network[2][0].weight, centre)
        assert (network[2][0].weight is network[1][0].weight) == (values["kernel1"] == 3)


def test_parameters_are_counted_as_the_extracted_network_has_them() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(transformer_lm((8,), 5, widths=(8, 16), depths=(2, 3), heads=(2, 4), head_dim=4), Tied())
    costs = StaticCosts(supernet, (8,), torch.int64)
    same = {f"layers.{layer}.weights": 0 for layer in (1, 2)}
    architectures = [supernet.space.complete({**supernet.space.sample(seed), **same, "depth": 3}) for seed in range(6)]
    for architecture in [*architectures, *map(supernet.space.sample, range(6))]:
        network = supernet.extract(architecture)
        assert costs(architecture)["params"] == sum(each.numel() for each in network.parameters())


def test_a_layer_at_two_places_has_its_weights_at_both() -> None:
    torch.manual_seed(0)
    first, second = (nn.Sequential(Conv2d(4, 4, 1), nn.ReLU()) for _ in range(2))
    supernet = nas.Supernet(nn.Sequential(nn.Conv2d(1, 4, 1), Repeat([first, second, second], 3), nn.Flatten()), Tied())
    supernet.eval().activate({"1.1.weights": 0})
    network, x = supernet.extract(supernet.architecture), images()
    for _, segment in supernet.segments():
        with supernet.weights(segment.path):
            x = segment.module(x)
    torch.testing.assert_close(x, supernet(images()))
    torch.testing.assert_close(x, network(images()))


def test_a_pattern_may_be_a_single_text() -> None:
    assert nas.Supernet(tower(), Tied("1.*")).space.size == 6
    with pytest.raises(nas.UsageError, match="no layers can be tied"):
        nas.Supernet(tower(), Tied("head"))


def test_a_model_without_equal_layers_is_refused() -> None:
    model = nn.Sequential(nas.nn.Conv2d(1, 4, Choice([1, 3])), nn.Conv2d(4, 2, 1))
    with pytest.raises(nas.UsageError, match="no layers can be tied"):
        nas.Supernet(model, Tied())
    with pytest.raises(nas.UsageError, match="paths match"):
        nas.Supernet(tower(), Tied(["head.*"]))
