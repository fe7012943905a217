"""Checks that networks can be evaluated at all, and that those that are delivered are those that were evaluated."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Split
from nas.errors import UsageError
from nas.evaluation import SharedWeights, check_extraction, check_inference, check_memory, check_verdict
from nas.evaluation.evaluators import MakesNetworks, made_network
from nas.setup.run_setup import Setup
from nas.space import Architecture

__all__ = ["check_delivered", "check_networks", "check_scores"]

_EXAMPLES = 32
_ROUNDING = 0.005
"""Of a score, between two devices or batch sizes."""
_ALONE = 4
"""Examples that a network also sees one by one."""


def check_networks(setup: Setup) -> None:
    """Checks, before any training, the smallest and the largest network: their output, and on what it depends.

    Raises:
        UsageError: one gives other than logits in training mode, does not answer for each example alone, or remembers
            what no checkpoint holds.
    """
    for architecture in (setup.space.smallest(), setup.space.largest()):
        x = _examples(setup.data.at(architecture).validation, _ALONE)
        check_inference(setup.supernet.extract(architecture), x)
        network = setup.supernet.extract(architecture)
        _check_trained_output(setup, network, _examples(setup.data.at(architecture).train, _ALONE))
        check_memory(network, setup.supernet.extract(architecture), x)


def check_delivered(setup: Setup, architectures: Iterable[Architecture]) -> None:
    """Checks that the networks of architectures, with weights as trained, are those that were evaluated.

    Where the searched supernet is another model than that of the delivered networks, as in differentiable methods that
    search with fewer cells, verdicts are of the other one; then extraction alone is checked.

    Raises:
        UsageError: a network differs from what was evaluated, or does not answer for each example alone.
    """
    x = _examples(setup.data.validation, _EXAMPLES)
    for architecture in dict.fromkeys(map(setup.space.architecture, architectures)):
        check_inference(setup.supernet.extract(architecture), setup.supernet.reads(x[:_ALONE], architecture))
        check_extraction(setup.supernet, architecture, x)
        if setup.searched is setup.supernet and isinstance(setup.evaluator, SharedWeights):
            check_verdict(setup.evaluator, architecture)


def check_scores(setup: Setup, row: Mapping[str, Any]) -> None:
    """Checks that a network that is to be delivered as it was evaluated still scores what it did then.

    Shared weights are checked before, on one batch.

    Args:
        row: of the table of candidates.

    Raises:
        UsageError: it scores something else.
    """
    evaluator, name = setup.evaluator, setup.metric.name
    if isinstance(evaluator, SharedWeights) or not isinstance(evaluator, MakesNetworks) or name not in row:
        return
    architecture = Architecture.from_json(row["architecture"])
    network = made_network(setup.config.evaluator, evaluator, architecture)
    found = setup.evaluate(network, setup.data.validation, architecture)[name]
    if abs(found - row[name]) > _ROUNDING * max(1.0, abs(row[name])):
        raise UsageError(
            f"evaluator '{setup.config.evaluator}' evaluated architecture {row['id']} with {name} {row[name]:.4g}, but "
            f"the network that it makes now has {found:.4g} on the same {setup.data.examples}, so another network "
            "would be delivered; it must keep what it evaluated, or make it again bit for bit."
        )


def _check_trained_output(setup: Setup, network: nn.Module, x: Tensor) -> None:
    """Refuses what no loss can take, such as a head beside the model's in training alone."""
    with torch.no_grad(), torch.random.fork_rng():
        output = network.train()(x)
    shape = list(output.shape[1:]) if isinstance(output, Tensor) else None
    if shape != list(setup.data.output_shape):
        found = f"a {type(output).__name__}" if shape is None else f"outputs of shape {shape}"
        raise UsageError(
            f"space '{setup.config.space}' gives {found} in training mode; return outputs of shape "
            f"{list(setup.data.output_shape)} there too, as in evaluation."
        )


def _examples(split: Split, most: int) -> Tensor:
    """The first examples of a split."""
    x, _ = next(iter(split.batches(min(most, len(split)))))
    return x
