"""One step of weights and architecture parameters of a relaxed supernet."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.space import Architecture
from nas.supernet import GateWeights, Relaxed, Supernet
from nas.training.context import Context
from nas.training.estimators import BilevelProblem, Estimator, first_order
from nas.training.learning import Learning
from nas.training.objectives import Forward, LossTerm
from nas.training.steps import Backward, Pass, Step, total_loss
from nas.training.streams import BatchStream

__all__ = ["DerivationRule", "RelaxedStep"]

DerivationRule = Callable[[Relaxed], Architecture]

_ARCHITECTURE = 1
"""The random numbers of the passes that architecture parameters learn from."""


class RelaxedStep(Step):
    """Bilevel training of a relaxed supernet (Liu et al., 2019).

    Where a step of the architecture parameters is due they learn from a batch of their own, then the weights from the
    batch of the step. On one level both learn from the same pass.

    Args:
        relaxed: the supernet with its architecture parameters.
        learning: how the architecture parameters learn.
        objective: loss terms; their roles are "weights" and "architecture", on one level "weights" alone.
        stream: the batches that the architecture parameters learn from; None for one level.
        steps: of the weights, over their whole recipe.
        rule: which architecture the learnt probabilities stand for.
        estimator: of the gradient of the architecture parameters.

    Attributes:
        first_phase: the number of the phase from which on architecture parameters learn.
    """

    first_phase = 0

    def __init__(
        self,
        relaxed: Relaxed,
        learning: Learning,
        objective: Sequence[LossTerm],
        stream: BatchStream | None,
        *,
        steps: int,
        rule: DerivationRule,
        estimator: Estimator = first_order,
    ) -> None:
        self.model: Supernet = relaxed.supernet
        self.relaxed, self.learning, self.objective, self.stream = relaxed, learning, objective, stream
        self.rule, self.estimator = rule, estimator
        self.parts = objective
        self.optimizer = learning.make_optimizer(relaxed.parameters, steps)
        self._gates: dict[str, GateWeights] = {}
        self._learnt: dict[str, Tensor] = {}

    def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
        """The losses of weights and, where they learn from batches of their own, architecture parameters."""
        return {**self._learnt, **super().__call__(context, backward)}

    def before_step(self, context: Context) -> None:
        """Has the architecture parameters learn, if they do so from batches of their own."""
        self._learnt = {}
        if self.stream is None:
            self.optimizer.zero_grad()
        elif self._is_due(context):
            self._learnt = {"architecture": self._learn(context, self.stream)}

    def run(self, context: Context, x: Tensor, y: Tensor, backward: Backward) -> list[Pass]:
        if self.stream is None:
            self._gates = self.relaxed.draw(context.step, context.progress)
            self.relaxed.follow(self._gates)
        else:
            self.relaxed.follow(self.relaxed.draw_for_weights(2 * context.step, context.progress))
        loss = self._loss(x, y, "weights")
        backward(loss)
        return [Pass("weights", loss.detach())]

    def after_step(self, context: Context) -> None:
        """Steps the architecture parameters if they learn on one level with the weights."""
        if self.stream is None and self._is_due(context):
            self._step(context)

    @property
    def proposals(self) -> list[Architecture]:
        return [self.derived]

    @property
    def derived(self) -> Architecture:
        """The architecture that the probabilities stand for."""
        return self.rule(self.relaxed)

    def state(self) -> dict[str, Tensor]:
        moments = {
            f"moments/{index}/{key}": value
            for index, state in self.optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        frozen = {f"frozen/{name}": values for name, values in self.relaxed.frozen.items()}
        logits = {f"logits/{name}": values for name, values in self.relaxed.parameters.logits.items()}
        return {**logits, **moments, **frozen}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, logits in self.relaxed.parameters.logits.items():
                logits.copy_(state[f"logits/{name}"])
        self.relaxed.frozen.clear()
        for name, values in _below(state, "frozen/").items():
            self.relaxed.freeze(name, values.nonzero().flatten().tolist())
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(state, "moments/").items():
            index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})

    def record(self) -> dict[str, Any]:
        """Probabilities of options, entropy in nats and the derived architecture, by choice."""
        with torch.no_grad():
            probabilities = self.relaxed.probabilities()
            entropies = {name: torch.special.entr(p).sum() for name, p in self.relaxed.distribution().items()}
        return {
            "architecture": {
                "probabilities": {
                    name: [round(p, 6) for p in values.tolist()] for name, values in probabilities.items()
                },
                "entropy": {name: round(float(value), 6) for name, value in entropies.items()},
                "derived": json.loads(self.derived.to_json()),
            }
        }

    def _learn(self, context: Context, stream: BatchStream) -> Tensor:
        """A step of the architecture parameters; the loss that they learnt from."""
        turn, region = divmod(context.step, self.relaxed.turns)
        images, labels = stream.at(turn // self.learning.every * self.relaxed.turns + region)
        self.optimizer.zero_grad()
        parts = context.microbatches.of(self.model, (context.step, _ARCHITECTURE), context.x, context.y, images, labels)
        loss = torch.stack([self._estimate(context, *part) for part in parts]).mean()
        self._step(context, loss)
        return loss

    def _estimate(self, context: Context, x: Tensor, y: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Adds the gradients of a microbatch to those of the architecture parameters; the loss that they are of."""
        learnt_from: list[Tensor] = []

        def loss(x: Tensor, y: Tensor, role: str) -> Tensor:
            self._gates = self.relaxed.draw(2 * context.step + 1, context.progress)
            self.relaxed.follow(self._gates)
            value = self._loss(x, y, role)
            if role == "architecture":
                learnt_from.append(value.detach())
            return value

        logits = list(self.relaxed.parameters.parameters())
        weights = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        problem = BilevelProblem(
            lambda: loss(x, y, "weights"),
            lambda: loss(images, labels, "architecture"),
            weights,
            logits,
            context.optimizer,
        )
        for parameter, gradient in zip(logits, self.estimator(problem), strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return learnt_from[0]

    def _step(self, context: Context, *losses: Tensor) -> None:
        """Moves the architecture parameters by the mean gradient of all microbatches; puts into losses their mean."""
        parameters, cut = self.relaxed.parameters, context.microbatches
        for logits in parameters.parameters():
            if logits.grad is not None:
                logits.grad = logits.grad / cut.each
        gradients = [logits.grad for logits in parameters.parameters() if logits.grad is not None]
        cut.ranks.average([*gradients, *losses])
        before = {name: logits.detach().clone() for name, logits in parameters.logits.items()}
        self.optimizer.step()
        self.relaxed.adjust(before, self._gates)

    def _is_due(self, context: Context) -> bool:
        turns = self.relaxed.turns
        due = self.learning.is_due(context.recipe_step // turns, context.recipe_steps // turns)
        return due and context.phase >= self.first_phase

    def _loss(self, x: Tensor, y: Tensor, role: str) -> Tensor:
        return total_loss(self.objective, Forward(self.model(x), y, role, {}, x, self.relaxed.distribution()))


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
