"""Banks of weights that are trained apart from each other, as if one process trained them all."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from nas.sharing.one_bank import OneBank
from nas.sharing.partition import Partition
from nas.supernet import Supernet
from nas.training.cuts import Cut
from nas.training.fresh_banks import FreshBanks
from nas.training.loop import Epoch
from nas.training.phase import Phase, spans
from nas.training.steps import Step, SupernetStep

__all__ = ["apart_from", "merged_epoch", "of_banks"]


def apart_from(phases: Sequence[Phase]) -> int | None:
    """The first epoch from which on banks no longer depend on each other, counted from 0; None if they always do.

    After the space was cut for the last time a step touches parameters, optimiser state and buffers of one bank, and
    the learning rate follows the number of the step. Where banks are drawn by scores, as in a balanced mixture, what
    one bank is told decides what the others train.
    """
    step = phases[-1].step
    if not isinstance(step, SupernetStep) or not isinstance(step.model.sharing, Partition):
        return None
    if not all(isinstance(each, Cut | FreshBanks | Step) for phase in phases for each in phase.observers):
        return None
    return spans(phases)[-1].first + 1 if len(phases) > 1 else 0


def of_banks(
    tensors: Mapping[str, Tensor], supernet: Supernet, optimizer: torch.optim.Optimizer, banks: Iterable[int]
) -> dict[str, Tensor]:
    """What of a checkpoint belongs to some banks: parameters, buffers, averages and optimiser state.

    Args:
        tensors: of the checkpoint.
        optimizer: made as that of the training.
    """
    assert isinstance(supernet.sharing, OneBank)
    ours = {id(tensor) for bank in banks for tensor in supernet.sharing.tensors(bank).values()}
    owned = [name for name, tensor in supernet.state_dict(keep_vars=True).items() if id(tensor) in ours]
    names = {f"{kind}/{name}" for kind in ("model", "trained") for name in owned}
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states = {f"optimizer/{index}" for index, parameter in enumerate(trained) if id(parameter) in ours}
    return {name: tensor for name, tensor in tensors.items() if name in names or name.rpartition("/")[0] in states}


def merged_epoch(parts: Sequence[Epoch]) -> Epoch:
    """One record of an epoch from those of processes with banks of their own: losses are averaged over all paths."""
    paths = [sum(part.get("paths_by_bank", [])) for part in parts]
    roles = dict.fromkeys(name for part in parts for name in part if name.startswith("loss_"))
    losses = {
        role: _mean([(part[role], count) for part, count in zip(parts, paths, strict=True) if role in part])
        for role in roles
    }
    return {
        **parts[0],
        "loss": sum(losses.values()) / max(1, len(losses)),
        **losses,
        "images_per_second": sum(part["images_per_second"] for part in parts),
        "paths_by_bank": [
            sum(counts) for counts in zip(*(p["paths_by_bank"] for p in parts if "paths_by_bank" in p), strict=True)
        ],
    }


def _mean(weighted: Collection[tuple[float, int]]) -> float:
    return sum(value * weight for value, weight in weighted) / sum(weight for _, weight in weighted)
