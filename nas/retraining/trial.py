"""One training of ``nas retrain``, carried out wherever Ray puts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nas.data import Data
from nas.distributed.trials import Report
from nas.evaluation import Standalone, evaluate, groups_of
from nas.retraining.plans import Plan
from nas.setup.config import RunConfig
from nas.setup.pretrained import pretrained_network
from nas.setup.supernets import built, divided, find_device, teacher_of
from nas.supernet import Supernet
from nas.training import Distillation, Epoch

__all__ = ["Trainer", "packed", "standalone"]


@dataclass(frozen=True)
class Trainer:
    """Trains by a plan; data and networks are built where it is called, so no file of the run is needed there.

    Attributes:
        config: of the run.
        weights: what :func:`packed` gave of its trained supernet.
        plans: of all trials.
        seed: of every training.
    """

    config: RunConfig
    weights: bytes
    plans: Sequence[Plan]
    seed: int

    def __call__(self, number: int, checkpoint: Path, report: Report) -> None:
        """Carries out one plan, as :data:`nas.distributed.trials.Train` says; reports the validation split.

        Raises:
            UsageError: the training diverged, or the recipe does not fit the network.
        """
        from safetensors.torch import load

        config, plan = self.config, self.plans[number]
        torch.set_num_threads(config.cpu_threads)
        read, supernet, searched = built(config, find_device(config.device))
        data, _, _ = divided(config, read)
        pretrained = pretrained_network(config, supernet)
        searched.load_state_dict(load(self.weights))
        teacher = teacher_of(config, searched, data, plan.architecture, plan.distillation, pretrained)
        trainer = standalone(plan, supernet, data, self.seed, teacher)
        network, split = trainer.begin(plan.architecture), data.at(plan.architecture).validation
        done = 0

        def validate(epoch: int) -> None:
            nonlocal done
            done = epoch + 1
            batches = split.batches(config.evaluation.batch_size)
            report(done, evaluate(network, batches, data.task, groups_of(split)))

        def on_epoch(epoch: Epoch) -> None:
            validate(epoch["epoch"])

        trainer.fit(plan.architecture, network, checkpoint, on_epoch)
        if done < plan.recipe.epochs:
            validate(plan.recipe.epochs - 1)


def packed(model: nn.Module) -> bytes:
    """The weights of a model as a safetensors file."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()})


def standalone(
    plan: Plan, supernet: Supernet, data: Data, seed: int, teacher: Distillation | None = None
) -> Standalone:
    """What trains the network of a plan, and restores it from a checkpoint."""
    return Standalone(supernet, data, plan.recipe, seed, plan.start == "inherited", plan.augment, teacher)
