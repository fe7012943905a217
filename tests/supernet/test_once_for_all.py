"""The once-for-all space has the sizes of the paper and of its authors' code."""

import pytest
import torch
from torch import nn

import nas
from nas.nn import Repeat
from search_spaces.once_for_all import SqueezeExcitation, once_for_all


@pytest.fixture(scope="module")
def published() -> nas.Supernet:
    with torch.device("meta"):
        return nas.Supernet(once_for_all())


def test_the_published_number_of_architectures(published: nas.Supernet) -> None:
    stage = sum((3 * 3) ** depth for depth in (2, 3, 4))
    assert published.space.size == stage**5
    assert published.space.size == pytest.approx(2e19, rel=0.1)
    assert len(published.space.choices) == 5 + 2 * 20


def test_the_published_widths_strides_and_activations(published: nas.Supernet) -> None:
    blocks = [stage[0] for stage in published.model.children() if type(stage) is nn.Sequential]
    assert blocks[0].out_channels == 16 and blocks[0].stride == (2, 2)
    stages = [stage for stage in published.model.children() if isinstance(stage, Repeat)]
    firsts = [stage.get_submodule("0") for stage in stages]
    depthwise = [block.get_submodule("depthwise.0") for block in firsts]
    assert [block.get_submodule("project.0").out_channels for block in firsts] == [24, 40, 80, 112, 160]
    assert [conv.stride[0] for conv in depthwise] == [2, 2, 2, 1, 2]
    assert [type(block.excite) is SqueezeExcitation for block in firsts] == [False, True, False, True, True]
    swish = [isinstance(block.get_submodule("depthwise.2"), nn.Hardswish) for block in firsts]
    assert swish == [False, False, True, True, True]
    linear = published.model.get_submodule("classifier.1")
    assert isinstance(linear, nn.Linear)
    assert (linear.in_features, linear.out_features) == (1280, 1000)


def test_squeeze_and_excitation_follows_the_hidden_width(published: nas.Supernet) -> None:
    for expansion, hidden, squeezed in ((3, 120, 32), (4, 160, 40), (6, 240, 64)):
        values = {**published.space.largest(), "stage2.1.expansion": expansion}
        block = published.extract(values).get_submodule("stage2.1")
        convs = [module for module in block.get_submodule("excite").modules() if isinstance(module, nn.Conv2d)]
        assert [(conv.in_channels, conv.out_channels) for conv in convs] == [(hidden, squeezed), (squeezed, hidden)]


@pytest.mark.parametrize("size", [8, 16, 28, 64])
def test_it_has_the_same_choices_for_every_image_size(published: nas.Supernet, size: int) -> None:
    supernet = nas.Supernet(once_for_all((3, size, size), 7, width=0.25))
    assert supernet.space.to_json() == published.space.to_json()
    for architecture in (supernet.space.smallest(), supernet.space.largest()):
        supernet.activate(architecture)
        assert supernet(torch.randn(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("size", [8, 28])
@torch.no_grad()
def test_every_kernel_counts_on_small_images(size: int) -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(once_for_all((1, size, size), 3, depths=(2,), expansions=(3,))).train()
    images = torch.randn(2, 1, size, size)
    for stage in range(1, 6):
        for block in range(2):
            outputs = []
            for kernel in (3, 5, 7):
                supernet.activate({**supernet.space.smallest(), f"stage{stage}.{block}.kernel": kernel})
                outputs.append(supernet(images))
            assert not torch.allclose(outputs[0], outputs[1]) and not torch.allclose(outputs[1], outputs[2])
