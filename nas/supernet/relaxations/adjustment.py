"""A step that leaves the probabilities of the options that did not run where they were."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["adjusted"]


def adjusted(before: Tensor, after: Tensor, active: Sequence[int]) -> Tensor:
    """The logits ``[options]`` after a step that only some options took part in.

    IdleValue options get back their logits. Those of the active ones are shifted by
    ``logsumexp(before[active]) - logsumexp(after[active])``: their share of the probability stays, and within it they
    stand as the step left them. It is the rescaling of ProxylessNAS' two-path mode and the alpha-adjust of DropNAS.
    Where all were active there is nothing to keep, and the step stands to the last bit.

    Args:
        before: logits before the step.
        after: logits after it.
        active: positions of the options that ran.
    """
    if len(active) == len(before):
        return after
    index = torch.tensor(active, device=before.device)
    moved = after[index]
    return before.index_copy(0, index, moved + (before[index].logsumexp(0) - moved.logsumexp(0)))
