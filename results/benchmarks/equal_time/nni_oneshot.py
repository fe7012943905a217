"""NNI 3.0: a supernet by SPOS (Guo et al., 2020), evolution with its weights, and fresh training of the best.

All networks that the supernet trains keep the bound, as NNI's filters allow it; batch norm is recalibrated for each
candidate, as the paper does. NNI needs PyTorch Lightning for one-shot strategies; its progress bars, logs and
checkpoints are off.
"""

import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import nni
import torch
import torch.nn.functional as F
from alone import train_alone
from contests import Delivered, Problem
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import Lightning, LightningModule, Trainer
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.oneshot.pytorch.sampling import RandomSamplingLightningModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedConv2d, MixedLinear
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot, RegularizedEvolution
from nni_space import model_space
from torch import Tensor, nn

from nas.space import Architecture
from nas.streams import Stream

__all__ = ["deliver"]

_SUPERNET, _EVOLUTION = 0.4, 0.5
"""Shares of the time at which the supernet is trained and the evolution ends."""
_WARM_UP = 0.03
_RECALIBRATION = 10
"""Batches of 64 images."""

RandomSamplingLightningModule._sampling_patience = 100_000
"""Where few architectures keep the bound, NNI's hundred draws do not suffice."""


def _without_none(freeze_weight: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """NNI 3.0 cannot freeze a layer without bias: it says that the bias is None, which PyTorch refuses to load."""

    def cleaned(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return {name: value for name, value in freeze_weight(*args, **kwargs).items() if value is not None}

    return cleaned


for kind in (MixedConv2d, MixedLinear):
    kind.freeze_weight = _without_none(kind.freeze_weight)


def deliver(problem: Problem) -> Delivered:
    warnings.filterwarnings("ignore")
    for name in ("nni", "pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.manual_seed(problem.seed)
    supernet, module = _trained_supernet(problem)
    population, best = _evolved(problem, supernet)
    network = problem.fresh(best, problem.seed)
    steps = train_alone(network, problem, problem.seed)
    details = {"steps": steps, "supernet_steps": module.steps, **population}
    return Delivered(network, best.key, problem.flops(best), problem.clock.spent, details)


def _architecture(problem: Problem, sample: dict[str, Any]) -> Architecture:
    """Candidates of `nas` may be floats where those of NNI are integers."""
    known = problem.supernet.space.choices
    values = {name: known[name][known[name].index(value)] for name, value in sample.items() if name in known}
    return problem.supernet.space.complete(values)


class _Module(LightningModule):
    """Trains with a cosine over CPU seconds, as every other arm."""

    def __init__(self, problem: Problem, until: float) -> None:
        super().__init__()
        self.problem, self.until, self.started, self.steps = problem, until, problem.clock.spent, 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.problem.recipe.make_optimizer(self)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        progress = min(1.0, (self.problem.clock.spent - self.started) / (self.until - self.started))
        peak = self.problem.recipe.learning_rate
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = peak * min(1.0, (progress + 1e-3) / _WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
        self.steps += 1
        if progress >= 1:
            self.trainer.should_stop = True
        return F.cross_entropy(self.model(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        return None


class _Batches:
    """The training batches of the task, an epoch each time it is gone through."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.epoch = problem, 0

    def __len__(self) -> int:
        return self.problem.data.train.steps(self.problem.recipe.batch_size)

    def __iter__(self) -> Any:
        data, recipe = self.problem.data, self.problem.recipe
        self.epoch += 1
        seed = (self.problem.seed, Stream.BATCHES, self.epoch)
        return data.train.shuffled(recipe.batch_size, seed, recipe.augmentation(data.augment))


def _trained_supernet(problem: Problem) -> tuple[Any, _Module]:
    contest, data = problem.contest, problem.data
    space = model_space(contest.space, data.input_shape, data.output_shape[0], dict(contest.space_args))
    module = _Module(problem, problem.clock.budget * _SUPERNET)
    trainer = Trainer(
        max_epochs=10**6,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        gradient_clip_val=problem.recipe.clip,
        min_epochs=0,
    )
    evaluator = Lightning(module, trainer, train_dataloaders=_Batches(problem), val_dataloaders=[])
    strategy = RandomOneShot(filter=lambda sample: problem.is_feasible(_architecture(problem, sample)))
    strategy(RawFormatModelSpace.from_model(space, evaluator), SequentialExecutionEngine())
    return strategy.supernet, module


def _evolved(problem: Problem, supernet: Any) -> tuple[dict[str, Any], Architecture]:
    """The best that NNI's evolution finds until its time is over."""
    found: dict[str, float] = {}
    seen = {"evaluated": 0, "infeasible": 0}
    until = problem.clock.budget * _EVOLUTION

    def evaluate(network: nn.Module) -> None:
        architecture = _architecture(problem, nni.get_current_parameter().sample)
        score = -math.inf
        if problem.is_feasible(architecture):
            _recalibrate(problem, network)
            score = found[architecture.key] = problem.score(network)
            seen["evaluated"] += 1
        else:
            seen["infeasible"] += 1
        nni.report_final_result(score)

    class _Engine(SequentialExecutionEngine):
        def budget_available(self) -> bool:
            return problem.clock.spent < until or not found

    strategy = RegularizedEvolution(population_size=20, sample_size=5, mutation_prob=0.1, seed=problem.seed)
    strategy(RawFormatModelSpace.from_model(supernet, FunctionalEvaluator(evaluate)), _Engine())
    key = max(found, key=lambda each: found[each])
    return {**seen, "score": found[key]}, Architecture.from_json(key)


def _recalibrate(problem: Problem, network: nn.Module) -> None:
    """Batch norm's statistics anew, averaged over some training batches; nothing where there is none."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for count, (x, _) in enumerate(problem.data.train.batches(64)):
            if count == _RECALIBRATION:
                break
            network(x)
