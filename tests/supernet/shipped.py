"""Small sizes of the shipped spaces, and helpers to compare a supernet with the network it gives."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import nas
from nas.nn.channels import select
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201
from search_spaces.once_for_all import once_for_all

__all__ = ["INPUT_SHAPE", "SHIPPED", "images", "pair_parameters", "perturbed"]

INPUT_SHAPE = (1, 8, 8)

SHIPPED: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(
        INPUT_SHAPE, 5, widths=(16, 24), strides=(1, 2), depths=(1, 2, 3), expansions=(1, 2), stem=8, head=12
    ),
    "chain": lambda: chain(INPUT_SHAPE, 5, layers=(2, 3), width=4, head=8),
    "nasbench201": lambda: nasbench201(INPUT_SHAPE, 5, width=4),
    "once_for_all": lambda: once_for_all(
        INPUT_SHAPE, 5, width=0.2, strides=(1, 1, 1, 2, 1, 1), depths=(1, 2), kernels=(3, 5), expansions=(1, 2)
    ),
}


@torch.no_grad()
def perturbed(model: nn.Module, seed: int = 0) -> nas.Supernet:
    """A supernet in which every parameter and statistic has a value of its own."""
    torch.manual_seed(seed)
    supernet = nas.Supernet(model)
    for name, tensor in supernet.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return supernet


def images(seed: int = 0, batch: int = 4) -> Tensor:
    return torch.randn(batch, *INPUT_SHAPE, generator=torch.Generator().manual_seed(seed))


def pair_parameters(supernet: nas.Supernet, network: nn.Module) -> list[tuple[nn.Parameter, Tensor, nn.Parameter]]:
    """(whole parameter, its gradient in the region in use, the extracted parameter), found by equal values."""
    extracted = {(tuple(p.shape), p.detach().numpy().tobytes()): p for p in network.parameters()}
    pairs = []
    for parameter, region in supernet.active_regions():
        part = select(parameter.detach(), region)
        twin = extracted.pop((tuple(part.shape), part.contiguous().numpy().tobytes()))
        grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        pairs.append((parameter, select(grad, region), twin))
    assert not extracted, "every extracted parameter is the active region of one of the supernet's"
    return pairs
