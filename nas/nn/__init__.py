"""Modules that hold choices. Each takes the place and the argument names of its ``torch.nn`` twin."""

from nas.nn.attention import MultiheadAttention
from nas.nn.cell import Cell
from nas.nn.conv import Conv2d
from nas.nn.elastic import Branch, Elastic, ElasticLayer
from nas.nn.gate import Gate, Gates
from nas.nn.initialisation import initialise
from nas.nn.linear import Embedding, Linear
from nas.nn.normalization import BatchNorm2d, GroupNorm, LayerNorm
from nas.nn.one_of import OneOf
from nas.nn.partial_channels import PartialChannels
from nas.nn.repeat import Repeat
from nas.nn.switchable import SwitchableBatchNorm2d, interpolate_channels, pad_channels
from nas.nn.zero import Zero

__all__ = [
    "BatchNorm2d",
    "Branch",
    "Cell",
    "Conv2d",
    "Elastic",
    "ElasticLayer",
    "Embedding",
    "Gate",
    "Gates",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MultiheadAttention",
    "OneOf",
    "PartialChannels",
    "Repeat",
    "SwitchableBatchNorm2d",
    "Zero",
    "initialise",
    "interpolate_channels",
    "pad_channels",
]
