"""The number by which the networks of a task are compared, and how it is written."""

from dataclasses import dataclass

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """A column of the tables that evaluators return, and which end of it is the good one.

    Attributes:
        name: of the column; where it compares networks, its 95 % interval is in ``{name}_low`` and ``{name}_high``.
        maximise: whether more is better.
        share: whether it is a share of 1, which is written in per cent.
        decimals: places in which it is written otherwise; None for three figures in all.
        label: what it is called in a heading; by default its name in words.
    """

    name: str
    maximise: bool
    share: bool = False
    decimals: int | None = None
    label: str | None = None
