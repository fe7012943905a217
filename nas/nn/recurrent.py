"""Elastic recurrent layers."""

import copy
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence

from nas.nn.elastic_layer import Axes, Axis, ElasticLayer, State, uninitialised
from nas.nn.gate import Gates

__all__ = ["GRU", "LSTM"]


class _Recurrent(ElasticLayer):
    """What recurrent layers have in common; soft gates weigh the hidden state wherever it is read."""

    elastic = ("input_size", "hidden_size")
    left_out: ClassVar[tuple[str, ...]] = ("mode",)
    blocks: ClassVar[int]

    @cached_property
    def axes(self) -> Axes:  # type: ignore[override]
        rows, units = Axis("hidden_size", self.blocks), Axis("hidden_size", weighed=True)
        hidden = None if self.proj_size else units
        below = None if self.proj_size else Axis("hidden_size", self._directions, weighed=True)
        table: dict[str, tuple[str | Axis | None, ...]] = {}
        for place, names in enumerate(self._all_weights):
            columns = {"weight_ih": below if place >= self._directions else "input_size", "weight_hh": hidden}
            for name in names:
                kind = name.partition("_l")[0]
                table[name] = (rows, columns[kind]) if kind in columns else (rows,)
                if kind == "weight_hr":
                    table[name] = (None, units)
        return Axes(table)

    def resolve(self, gates: Gates) -> State:
        state = super().resolve(gates)
        state.plain = uninitialised(self.extended(), torch.device("meta"), **self.active(state))
        return state

    def functional(self, x: Any, hx: Any = None, **weights: Tensor | None) -> Any:
        plain = copy.copy(self.state.plain)  # it keeps what it was called with
        vars(plain).update({name: getattr(self, name) for name in ("training", "batch_first", "dropout")})
        return functional_call(plain, {name: each for name, each in weights.items() if each is not None}, (x, hx))

    def weighed(self, y: Any) -> Any:
        mask, (output, last) = self.state.widths["hidden_size"].mask, y
        if mask is None:
            return y
        if isinstance(last, tuple):
            hidden, cell = last
            last = hidden if self.proj_size else hidden * mask, cell * mask
        else:
            last = last * mask
        if not self.proj_size:
            both = mask.repeat(self._directions)
            is_packed = isinstance(output, PackedSequence)
            output = output._replace(data=output.data * both) if is_packed else output * both
        return output, last

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1


class GRU(_Recurrent, nn.GRU):
    """``torch.nn.GRU`` whose ``input_size`` and ``hidden_size`` may be choices.

    A smaller hidden state is the leading units of each gate, in every layer and direction.

    Shapes: ``[L, N, input_size]``, or ``[N, L, input_size]`` with ``batch_first``, and as in torch without a batch or
    packed → the output of width ``hidden_size`` times directions, and the last hidden state of each layer.

    Raises:
        UsageError: another argument is a choice.
    """

    blocks = 3
    left_out = ("mode", "proj_size")


class LSTM(_Recurrent, nn.LSTM):
    """``torch.nn.LSTM`` whose ``input_size`` and ``hidden_size`` may be choices, see :class:`GRU`.

    With ``proj_size`` the cell alone is smaller.

    Shapes: as :class:`GRU`, with the hidden and the cell state of each layer.
    """

    blocks = 4
