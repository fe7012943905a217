"""Several regions of a space, each with weights and architecture parameters of its own, trained in turn."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.sharing.partition import Partition
from nas.space import Architecture
from nas.supernet import GateWeights, Relaxed
from nas.training.context import Context
from nas.training.relaxed_step import RelaxedStep
from nas.training.steps import Backward, Pass, Step

__all__ = ["BestFirst", "RelaxedRegions", "relaxed_of"]

BestFirst = Callable[[Sequence[Architecture]], Sequence[Architecture]]
"""Some architectures → the same in order of how good they are."""


class RelaxedRegions(Step):
    """Trains the gates of one region of the space after another, a region in each step.

    While there is one region, this is its step, to the bit. Where the space is cut the new regions go on with the
    architecture parameters of the one that was there, and with their optimiser's moments.

    Args:
        scheme: of the supernet.
        steps: one for each bank, alike but for the bank of what they relax.
        best_first: puts the architectures that the regions have arrived at in order.
    """

    def __init__(self, scheme: Partition, steps: Sequence[RelaxedStep], best_first: BestFirst) -> None:
        self.scheme, self.steps, self.best_first = scheme, steps, best_first
        self.model = steps[0].model
        self.parts = [part for step in steps for part in step.parts]
        self._cuts, self._trained = 0, [0] * len(steps)

    def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
        return self._of(context)(context, backward)

    def begin(self, context: Context) -> None:
        """Hands on architecture parameters, where the space was cut."""
        for division in self.scheme.divisions[self._cuts :]:
            for child in division.children:
                self._inherit(division.bank, child)
        self._cuts = len(self.scheme.divisions)

    def before_step(self, context: Context) -> None:
        self._of(context).before_step(context)

    def run(self, context: Context, x: Tensor, y: Tensor, backward: Backward) -> list[Pass]:
        return self._of(context).run(context, x, y, backward)

    def after_step(self, context: Context) -> None:
        self._of(context).after_step(context)
        self._trained[context.step % self.scheme.used] += 1

    @property
    def proposals(self) -> Sequence[Architecture]:
        """The architecture of each region, the best first."""
        return self.best_first(list(dict.fromkeys(step.derived for step in self.used)))

    @property
    def used(self) -> Sequence[RelaxedStep]:
        """The steps of the regions that there are."""
        return self.steps[: self.scheme.used]

    def state(self) -> dict[str, Tensor]:
        return {
            f"bank{bank}/{name}": value for bank, step in enumerate(self.steps) for name, value in step.state().items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._cuts = len(self.scheme.divisions)
        for bank, step in enumerate(self.steps):
            prefix = f"bank{bank}/"
            step.restore({name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)})

    def record(self) -> dict[str, Any]:
        """Of one region as its step; of several the mean probabilities and entropies, and what each derives."""
        trained, self._trained = self._trained, [0] * len(self.steps)
        records = [step.record()["architecture"] for step in self.used]
        if len(records) == 1:
            return {"architecture": records[0]}
        first = records[0]
        mean = {
            "probabilities": {
                name: _rounded_mean([each["probabilities"][name] for each in records])
                for name in first["probabilities"]
            },
            "entropy": {name: _rounded_mean([each["entropy"][name] for each in records]) for name in first["entropy"]},
            "derived_by_bank": [each["derived"] for each in records],
        }
        return {"architecture": mean, "paths_by_bank": trained}

    def variants(self, bank: int, choice: str, draws: np.random.Generator) -> list[Callable[[], None]]:
        """The candidates of a choice in the region of a bank, while the others follow its gates as in a step that
        weights learn from; none of a subset, whose candidates no gate weighs."""
        relaxed = self.steps[bank].relaxed
        options = relaxed.decisions[choice].options
        if options != relaxed.supernet.space.choices[choice]:
            return []
        gates = relaxed.draw_for_weights(int(draws.integers(2**62)), 0.0)
        ones = torch.eye(len(options), device=gates[choice].values.device)
        return [
            partial(relaxed.follow, {**gates, choice: GateWeights(ones[position], (position,))})
            for position in relaxed.there(choice)
        ]

    def _of(self, context: Context) -> RelaxedStep:
        return self.steps[context.step % self.scheme.used]

    @torch.no_grad()
    def _inherit(self, parent: int, child: int) -> None:
        old, new = self.steps[parent], self.steps[child]
        for name, logits in new.relaxed.parameters.logits.items():
            logits.copy_(old.relaxed.parameters.logits[name])
        new.optimizer.load_state_dict(deepcopy(old.optimizer.state_dict()))


def relaxed_of(step: Step) -> list[Relaxed]:
    """What a step relaxes: the whole space, or each of its regions; nothing where it learns no gates."""
    steps = step.used if isinstance(step, RelaxedRegions) else [step]
    return [each.relaxed for each in steps if isinstance(each, RelaxedStep)]


def _rounded_mean(values: Sequence[Any]) -> Any:
    return np.mean(values, axis=0).round(6).tolist()
