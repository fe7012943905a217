"""How long and how fast to train: the numbers of a training run."""

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

__all__ = ["Recipe"]


class Recipe(BaseModel):
    """Optimiser, schedule and duration.

    Attributes:
        epochs: passes over the training images.
        batch_size: images of a step.
        optimizer: "sgd" with Nesterov momentum, or "adamw".
        learning_rate: peak, reached after the warm-up and annealed to zero by a cosine.
        momentum: of SGD.
        weight_decay: on weights; biases and normalisation are not decayed.
        warmup_epochs: of linearly rising learning rate.
        clip: largest norm of the gradient.
        label_smoothing: of the cross-entropy.
        masked: keep what the paths of a step did not use exactly as it is, against momentum and weight decay.
        amp: mixed precision where there is a GPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    clip: float = Field(5.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    masked: bool = False
    amp: bool = True

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over all parameters, matrices and kernels with weight decay, vectors without."""
        decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
        plain = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        if self.optimizer == "adamw":
            return torch.optim.AdamW(groups, lr=self.learning_rate)
        nesterov = self.momentum > 0
        return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum, nesterov=nesterov)

    def learning_rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Linear warm-up, then a cosine to zero at the end of the last epoch."""
        warmup, total = self.warmup_epochs * steps_per_epoch, self.epochs * steps_per_epoch
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1.0, total - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
