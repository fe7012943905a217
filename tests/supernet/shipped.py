"""Small sizes of the shipped spaces, and helpers to compare a supernet with the network it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import nas
from nas.nn.channel_ranges import select
from search_spaces.autoformer import autoformer
from search_spaces.chain import chain
from search_spaces.darts import darts
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201
from search_spaces.once_for_all import once_for_all
from search_spaces.resnet import resnet
from search_spaces.resnet_pooling import resnet_pooling
from search_spaces.toy_cell import toy_cell
from search_spaces.toy_conv import toy_conv
from search_spaces.transformer_lm import transformer_lm

__all__ = ["INPUT_SHAPE", "MIXABLE", "SHIPPED", "Shipped", "images", "one_hot_gates", "pair_parameters", "perturbed"]

INPUT_SHAPE = (1, 8, 8)


@dataclass(frozen=True)
class Shipped:
    """A space at a small size, and what its networks read.

    Attributes:
        make: gives the model.
        input_shape: of one example.
        tokens: how many different ones there are where inputs are tokens; images are normal numbers.
    """

    make: Callable[[], nn.Module]
    input_shape: tuple[int, ...] = INPUT_SHAPE
    tokens: int | None = None

    def __call__(self) -> nn.Module:
        return self.make()

    @property
    def input_dtype(self) -> torch.dtype:
        return torch.float32 if self.tokens is None else torch.int64

    def inputs(self, seed: int = 0, batch: int = 4, dtype: torch.dtype = torch.float32) -> Tensor:
        """A batch, of type ``dtype`` where it is not of tokens."""
        shape, generator = (batch, *self.input_shape), torch.Generator().manual_seed(seed)
        if self.tokens is not None:
            return torch.randint(self.tokens, shape, generator=generator)
        return torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)


_IMAGES: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(
        INPUT_SHAPE, 5, widths=(16, 24), strides=(1, 2), depths=(1, 2, 3), expansions=(1, 2), stem=8, head=12
    ),
    "chain": lambda: chain(INPUT_SHAPE, 5, layers=(2, 3), width=4, head=8),
    "nasbench201": lambda: nasbench201(INPUT_SHAPE, 5, width=4),
    "once_for_all": lambda: once_for_all(
        INPUT_SHAPE, 5, width=0.2, strides=(1, 1, 1, 2, 1, 1), depths=(1, 2), kernels=(3, 5), expansions=(1, 2)
    ),
    "darts": lambda: darts(INPUT_SHAPE, 5, width=2),
    "toy_cell": lambda: toy_cell(INPUT_SHAPE, 5, width=4, partial_channels=2, dropout=0),
    "toy_cell_entangled": lambda: toy_cell(INPUT_SHAPE, 5, width=2, entangled=True, dropout=0),
    "toy_conv": lambda: toy_conv(INPUT_SHAPE, 5, width=0.125, dropout=0),
    "resnet": lambda: resnet(INPUT_SHAPE, 5, widths=(4, 6, 8), multipliers=(0.5, 0.8, 1), align="pad"),
    "autoformer": lambda: autoformer(
        INPUT_SHAPE, 5, patch=4, widths=(8, 16), depths=(1, 2, 3), heads=(1, 2), head_dim=4, ratios=(1, 2)
    ),
    "resnet_pooling": lambda: resnet_pooling(INPUT_SHAPE, 5, blocks=3, widths=(4, 6)),
}

_LENGTH, _TOKENS = 6, 7

SHIPPED = {name: Shipped(make) for name, make in _IMAGES.items()} | {
    "transformer_lm": Shipped(
        lambda: transformer_lm((_LENGTH,), _TOKENS, (8, 16), depths=(1, 2, 3), heads=(1, 2), head_dim=4),
        (_LENGTH,),
        _TOKENS,
    )
}

MIXABLE = {name: make for name, make in SHIPPED.items() if name != "resnet_pooling"}
"""Spaces that soft gates can mix; networks of several resolutions cannot be."""


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
    return Shipped(nn.Identity).inputs(seed, batch)


def one_hot_gates(supernet: nas.Supernet, architecture: Mapping[str, Any]) -> dict[str, Tensor]:
    """The gates of an architecture, in float64; a choice that is inactive takes its first candidate."""
    gates = {}
    for name, candidates in supernet.space.choices.items():
        options, value = supernet.options[name], architecture.get(name, candidates[0])
        taken = [value] if options == candidates else value
        gates[name] = torch.tensor([float(option in taken) for option in options], dtype=torch.float64).requires_grad_()
    return gates


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
