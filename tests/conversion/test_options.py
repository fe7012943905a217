"""What may vary, as it is asked for."""

import torch
from plain_models import made
from torch import nn

import nas

IMAGE = torch.zeros(1, 3, 8, 8)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 40, 5, padding=2), nn.ReLU(), nn.Conv2d(40, 20, 3), nn.ReLU(), nn.Conv2d(20, 2, 1)
    )


def choices(**options: object) -> dict[str, tuple[object, ...]]:
    space = nas.elastic(network(), IMAGE, **options)  # type: ignore[arg-type]
    return {str(choice.name): choice.candidates for choice in space.choices}


def test_widths_are_multiples_of_eight_and_kernels_shrink_where_the_padding_allows() -> None:
    assert choices() == {"0.width": (16, 24, 32, 40), "2.width": (8, 16, 20), "0.kernel": (1, 3, 5)}


def test_shares_by_pattern_and_another_divisor() -> None:
    found = choices(width={"0": [0.1, 0.5], "*": None}, divisor=2, kernel=[3, 5])
    assert found == {"0.width": (4, 20, 40), "0.kernel": (3, 5)}


def test_patterns_of_what_may_vary() -> None:
    assert choices(exclude=["0"], kernel="fixed") == {"2.width": (8, 16, 20)}
    assert choices(include=["0"], kernel="fixed") == {"0.width": (16, 24, 32, 40)}


def test_heads_have_shares_of_their_own() -> None:
    model = made("gpt")
    space = nas.elastic(model.model, model.example, width=None, heads=[0.5, 1], depth="fixed")
    found = {str(choice.name): choice.candidates for choice in space.choices}
    assert found == {"blocks.0.q.heads": (2, 4), "blocks.1.q.heads": (2, 4)}


def test_a_smaller_kernel_is_the_centre() -> None:
    model = network().eval()
    supernet = nas.Supernet(nas.elastic(model, IMAGE, order=None, width=None))
    layer = supernet.extract({"0.kernel": 3})[0]  # type: ignore[index]
    assert layer.padding == (1, 1) and torch.equal(layer.weight, model[0].weight[:, :, 1:4, 1:4])  # type: ignore[index]


def test_the_copy_trains_as_the_model_did() -> None:
    model = network().train()
    model[1].eval()  # type: ignore[index]
    modes = [module.training for module in nas.elastic(model, IMAGE).network.modules()]
    assert modes == [module.training for module in model.modules()]
