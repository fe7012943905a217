"""One step of weights and architecture parameters of a relaxed supernet."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.space import Architecture
from nas.supernet import GateWeights, Relaxed, Supernet
from nas.training.estimators import BilevelProblem, Estimator, first_order
from nas.training.learning import Learning
from nas.training.microbatches import WHOLE, Microbatches
from nas.training.objectives import Forward, LossTerm, StatefulTerm
from nas.training.steps import Backward, Step, total_loss
from nas.training.streams import BatchStream

__all__ = ["RelaxedStep", "Rule"]

Rule = Callable[[Relaxed], Architecture]

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
        steps_per_epoch: of the weights.
        epochs: of the training, so that schedules know how much of it is done.
        rule: which architecture the learnt probabilities stand for.
        estimator: of the gradient of the architecture parameters.
    """

    def __init__(
        self,
        relaxed: Relaxed,
        learning: Learning,
        objective: Sequence[LossTerm],
        stream: BatchStream | None,
        *,
        steps_per_epoch: int,
        epochs: int,
        rule: Rule,
        estimator: Estimator = first_order,
    ) -> None:
        self.model: Supernet = relaxed.supernet
        self.relaxed, self.learning, self.objective, self.stream = relaxed, learning, objective, stream
        self.steps_per_epoch, self.epochs, self.rule, self.estimator = steps_per_epoch, epochs, rule, estimator
        self.weight_optimizer: torch.optim.Optimizer | None = None
        self.optimizer = learning.make_optimizer(relaxed.parameters, steps_per_epoch * epochs)
        self._gates: dict[str, GateWeights] = {}

    def before(self, step: int, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Has the architecture parameters learn, if they do so from batches of their own."""
        for term in self._stateful():
            term.before_step(step)
        if self.stream is not None:
            return {"architecture": self._learn(step, x, y)} if self._is_due(step) else {}
        self.optimizer.zero_grad()
        return {}

    def run(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        if self.stream is None:
            self._gates = self.relaxed.draw(step, self._progress(step))
            self.relaxed.follow(self._gates)
        else:
            self.relaxed.follow(self.relaxed.draw_for_weights(2 * step, self._progress(step)))
        loss = self._loss(x, y, "weights")
        backward(loss)
        return {"weights": loss.detach()}

    def after(self, step: int) -> None:
        """Steps the architecture parameters if they learn on one level with the weights."""
        if self.stream is None and self._is_due(step):
            self._step()

    @property
    def derived(self) -> Architecture:
        """The architecture that the probabilities stand for."""
        return self.rule(self.relaxed)

    def begin(self, optimizer: torch.optim.Optimizer, microbatches: Microbatches = WHOLE) -> None:
        super().begin(optimizer, microbatches)
        self.weight_optimizer = optimizer

    def state(self) -> dict[str, Tensor]:
        moments = {
            f"moments/{index}/{key}": value
            for index, state in self.optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        frozen = {f"frozen/{name}": values for name, values in self.relaxed.frozen.items()}
        logits = {f"logits/{name}": values for name, values in self.relaxed.parameters.logits.items()}
        return {**logits, **moments, **frozen, **self._terms_state()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, logits in self.relaxed.parameters.logits.items():
                logits.copy_(state[f"logits/{name}"])
        self.relaxed.frozen.clear()
        for name, values in _below(state, "frozen/").items():
            self.relaxed.freeze(name, values.nonzero().flatten().tolist())
        moments: dict[int, dict[str, Tensor]] = {}
        for place, value in _below(state, "moments/").items():
            index, key = place.split("/")
            moments.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        for number, term in enumerate(self._stateful()):
            term.restore(_below(state, f"term{number}/"))

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

    def _stateful(self) -> list[StatefulTerm]:
        return [term for term in self.objective if isinstance(term, StatefulTerm)]

    def _terms_state(self) -> dict[str, Tensor]:
        return {
            f"term{number}/{name}": value
            for number, term in enumerate(self._stateful())
            for name, value in term.state().items()
        }

    def _learn(self, step: int, x: Tensor, y: Tensor) -> Tensor:
        """A step of the architecture parameters; the loss that they learnt from."""
        assert self.stream is not None
        images, labels = self.stream.at(step // self.learning.every)
        self.optimizer.zero_grad()
        parts = self.microbatches.of(self.model, (step, _ARCHITECTURE), x, y, images, labels)
        loss = torch.stack([self._estimate(step, *part) for part in parts]).mean()
        self._step(loss)
        return loss

    def _estimate(self, step: int, x: Tensor, y: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Adds the gradients of a microbatch to those of the architecture parameters; the loss that they are of."""
        learnt_from: list[Tensor] = []

        def loss(x: Tensor, y: Tensor, role: str) -> Tensor:
            self._gates = self.relaxed.draw(2 * step + 1, self._progress(step))
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
            self.weight_optimizer,
        )
        for parameter, gradient in zip(logits, self.estimator(problem), strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return learnt_from[0]

    def _step(self, *losses: Tensor) -> None:
        """Moves the architecture parameters by the mean gradient of all microbatches; puts into losses their mean."""
        parameters, cut = self.relaxed.parameters, self.microbatches
        for logits in parameters.parameters():
            if logits.grad is not None:
                logits.grad = logits.grad / cut.each
        gradients = [logits.grad for logits in parameters.parameters() if logits.grad is not None]
        cut.ranks.average([*gradients, *losses])
        before = {name: logits.detach().clone() for name, logits in parameters.logits.items()}
        self.optimizer.step()
        self.relaxed.adjust(before, self._gates)

    def _is_due(self, step: int) -> bool:
        return self.learning.is_due(step, self.steps_per_epoch * self.epochs)

    def _loss(self, x: Tensor, y: Tensor, role: str) -> Tensor:
        return total_loss(self.objective, Forward(self.model(x), y, role, {}, x, self.relaxed.distribution()))

    def _progress(self, step: int) -> float:
        return min(1.0, step / (self.steps_per_epoch * self.epochs))


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
