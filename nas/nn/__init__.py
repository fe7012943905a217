"""Modules that hold choices. Each takes the place and the argument names of its ``torch.nn`` twin."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.nn.attention import MultiheadAttention as MultiheadAttention
    from nas.nn.cell import Cell as Cell
    from nas.nn.conv import (
        Conv1d as Conv1d,
        Conv2d as Conv2d,
        Conv3d as Conv3d,
        ConvTranspose1d as ConvTranspose1d,
        ConvTranspose2d as ConvTranspose2d,
    )
    from nas.nn.elastic import Branch as Branch, Elastic as Elastic
    from nas.nn.elastic_layer import Axes as Axes, Axis as Axis, ElasticLayer as ElasticLayer
    from nas.nn.gate import Gate as Gate, Gates as Gates
    from nas.nn.initialisation import initialise as initialise
    from nas.nn.linear import Embedding as Embedding, Linear as Linear
    from nas.nn.normalization import (
        BatchNorm1d as BatchNorm1d,
        BatchNorm2d as BatchNorm2d,
        BatchNorm3d as BatchNorm3d,
        GroupNorm as GroupNorm,
        InstanceNorm1d as InstanceNorm1d,
        InstanceNorm2d as InstanceNorm2d,
        InstanceNorm3d as InstanceNorm3d,
        LayerNorm as LayerNorm,
        RMSNorm as RMSNorm,
    )
    from nas.nn.one_of import OneOf as OneOf
    from nas.nn.parameter import Parameter as Parameter
    from nas.nn.partial_channels import PartialChannels as PartialChannels
    from nas.nn.recurrent import GRU as GRU, LSTM as LSTM
    from nas.nn.repeat import Repeat as Repeat
    from nas.nn.switchable import (
        SwitchableBatchNorm2d as SwitchableBatchNorm2d,
        interpolate_channels as interpolate_channels,
        pad_channels as pad_channels,
    )
    from nas.nn.zero import Zero as Zero

lazy(__name__)
