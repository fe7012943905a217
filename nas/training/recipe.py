"""How long and how fast to train: the numbers of a training run."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.data import Augment

__all__ = ["Recipe", "Retrain"]

Retrain = Literal["no", "inherited", "fresh"]
"""Whether a chosen network is trained again by itself, and from which weights."""


class Recipe(BaseModel):
    """Optimiser, schedule and duration.

    Attributes:
        epochs: passes over the training data.
        batch_size: images, or windows of text, of a step.
        epoch_examples: an epoch ends after so many examples, drawn anew; by default after all.
        optimizer: "sgd" with Nesterov momentum, or "adamw".
        learning_rate: peak, reached after the warm-up and annealed by a cosine.
        final_learning_rate: what it is annealed to.
        lowest_rate: share of the peak below which the learning rate does not fall, so that it is constant in the end;
            0.05 in BigNAS (Yu et al., 2020).
        cosine_power: 1 for a plain cosine; above, cosine power annealing with this base, which spends longer at low
            rates (sharpDARTS, Hundt et al., 2019; 2 while searching, 10 on ImageNet).
        momentum: of SGD.
        weight_decay: on weights; biases and normalisation are not decayed.
        warmup_epochs: of linearly rising learning rate.
        clip: largest norm of the gradient.
        label_smoothing: of the cross-entropy.
        drop_path: probability at the end of the training that an image skips an operation of a cell; it rises from zero
            epoch by epoch. Of networks that are trained by themselves.
        auxiliary: weight of the loss of an auxiliary head; 0 for none. Of networks that are trained by themselves.
        flip: mirror half of the images left to right; None as the data say, which do not where nobody knows whether
            left and right are alike.
        cutout: side in pixels of the square that is covered in each image; None as the data say.
        masked: keep what the paths of a step did not use exactly as it is, against momentum and weight decay: what did
            not run is not decayed.
        weight_average: decay of a moving average of the weights, such as 0.999, which is evaluated and delivered in
            their place; 0 for the weights as they are. It begins anew with each phase of the training.
        rate_by_size: power of the share of the largest network's parameters that the largest path of a step has, by
            which the learning rate of the step is multiplied; 0 for one rate for all, 1 for a rate in proportion.
        amp: mixed precision where there is a GPU.
        microbatches: parts that every batch is cut into, each with batch-norm statistics of its own; several processes
            train together on as many parts each. The number of parts decides what is learnt, that of processes nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(60, ge=1, le=10**6)
    batch_size: int = Field(64, ge=1, le=10**7)
    epoch_examples: int | None = Field(None, ge=1, le=10**12)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.1, gt=0)
    final_learning_rate: float = Field(0.0, ge=0)
    lowest_rate: float = Field(0.0, ge=0, le=1)
    cosine_power: float = Field(1.0, ge=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    warmup_epochs: float = Field(1.0, ge=0, le=10**6)
    clip: float = Field(5.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    auxiliary: float = Field(0.0, ge=0)
    flip: bool | None = None
    cutout: int | None = Field(None, ge=0, le=10**5)
    masked: bool = False
    weight_average: float = Field(0.0, ge=0, lt=1)
    rate_by_size: float = Field(0.0, ge=0, le=1)
    amp: bool = True
    microbatches: int = Field(1, ge=1, le=10**5)

    @model_validator(mode="after")
    def _anneals_downwards(self) -> Self:
        if self.final_learning_rate > self.learning_rate:
            raise ValueError(
                f"final_learning_rate {self.final_learning_rate:g} is above learning_rate {self.learning_rate:g}"
            )
        return self

    @model_validator(mode="after")
    def _cuts_evenly(self) -> Self:
        if self.batch_size % self.microbatches:
            raise ValueError(
                f"microbatches {self.microbatches} does not divide batch_size {self.batch_size}, so parts of a batch "
                "would differ in size"
            )
        return self

    def of_batches(self, size: int) -> "Recipe":
        """The same with batches of another size."""
        return self.model_copy(update={"batch_size": size})

    def make_optimizer(self, model: "nn.Module") -> "torch.optim.Optimizer":
        """The optimiser over all parameters, matrices and kernels with weight decay, vectors without."""
        from torch.optim import SGD, AdamW

        decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
        plain = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        if self.optimizer == "adamw":
            return AdamW(groups, lr=self.learning_rate)
        nesterov = self.momentum > 0
        return SGD(groups, lr=self.learning_rate, momentum=self.momentum, nesterov=nesterov)

    def learning_rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Linear warm-up, then a cosine (of a power) to the final rate at the end, but not below the lowest."""
        warmup, total = self.warmup_epochs * steps_per_epoch, self.epochs * steps_per_epoch
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        left = _cosine_power((step - warmup) / max(1.0, total - warmup), self.cosine_power)
        annealed = self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * left
        return max(annealed, self.lowest_rate * self.learning_rate)

    def augmentation(self, default: "Augment") -> "Augment":
        """What training does to images: the default of the data, with what the recipe says over it."""
        return replace(
            default,
            flip=default.flip if self.flip is None else self.flip,
            cutout=default.cutout if self.cutout is None else self.cutout,
        )


def _cosine_power(progress: float, power: float) -> float:
    """``(power^c - 1) / (power - 1)`` of the cosine ``c`` that falls from 1 to 0; ``c`` itself for a power of 1."""
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return cosine if power == 1 else math.expm1(cosine * math.log(power)) / math.expm1(math.log(power))
