"""How architecture parameters learn: the numbers of it."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Learning"]

_FASTEST = 0.1


class Learning(BaseModel):
    """Adam on architecture parameters (Liu et al., 2019), and when it steps.

    Attributes:
        learning_rate: of Adam; it stays as it is. By default what lets a logit go as far as ``reach``.
        reach: how far a logit can move over the whole training, about the learning rate times the number of steps.
            DARTS takes 3e-4 in some 20,000 steps; in a shorter training that rate would leave everything open.
        beta1: decay of the first moment.
        weight_decay: added to the gradient.
        warmup: share of the training at its beginning in which only weights learn.
        every: steps of the weights for one of the architecture parameters.
        share: part of the training images that the weights learn from, the architecture parameters from the others;
            None for one level: both learn from the same batch at once.
        tune_epochs: epochs of training after each round of decisions, where an architecture is derived in rounds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    learning_rate: float | None = Field(None, gt=0)
    reach: float = Field(6.0, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    weight_decay: float = Field(1e-3, ge=0)
    warmup: float = Field(0.0, ge=0, lt=1)
    every: int = Field(1, ge=1, le=10**9)
    share: float | None = Field(0.5, gt=0, lt=1)
    tune_epochs: int = Field(5, ge=1, le=10**6)

    def make_optimizer(self, parameters: "nn.Module", steps: float) -> "torch.optim.Optimizer":
        """The optimiser of architecture parameters.

        Args:
            steps: of the weights, over the whole training.
        """
        from torch.optim import Adam

        learning = steps * (1 - self.warmup) / self.every
        rate = self.learning_rate or min(_FASTEST, self.reach / learning)
        return Adam(parameters.parameters(), rate, betas=(self.beta1, 0.999), weight_decay=self.weight_decay)

    def is_due(self, step: int, steps: int) -> bool:
        """Whether architecture parameters learn in this step of the weights, of so many."""
        return step >= self.warmup * steps and step % self.every == 0
