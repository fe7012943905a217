"""Checks that networks can be judged at all, and before they are delivered, that they are the ones that were judged."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from nas.data import Split
from nas.errors import UsageError
from nas.evaluation import check_extraction, check_inference, check_memory, check_verdict
from nas.runs.bench import Bench
from nas.space import Architecture

__all__ = ["check_delivered", "check_networks"]

_BESIDE_LARGEST = 5
_EXAMPLES = 32
_ALONE = 4
"""Examples that a network also sees one by one."""


def check_networks(bench: Bench) -> None:
    """Checks, before any training, the smallest and the largest network: their output, and on what it depends.

    Raises:
        UsageError: one gives other than logits in training mode, does not answer for each example alone, or remembers
            what no checkpoint holds.
    """
    for architecture in (bench.space.smallest(), bench.space.largest()):
        x = _examples(bench.data.at(architecture).validation, _ALONE)
        check_inference(bench.supernet.extract(architecture), x)
        network = bench.supernet.extract(architecture)
        _check_trained_output(bench, network, _examples(bench.data.at(architecture).train, _ALONE))
        check_memory(network, bench.supernet.extract(architecture), x)


def check_delivered(bench: Bench, architectures: Iterable[Architecture]) -> None:
    """Checks the first few of the architectures, with weights as trained, and the largest.

    The one that is delivered must come first.

    Where the searched supernet is another model than that of the delivered networks, as in differentiable methods that
    search with fewer cells, verdicts are of the other one; then extraction alone is checked.

    Raises:
        UsageError: a network differs from what was judged, or does not answer for each example alone.
    """
    x = _examples(bench.data.validation, _EXAMPLES)
    some = list(dict.fromkeys(map(bench.space.architecture, architectures)))[:_BESIDE_LARGEST]
    for architecture in dict.fromkeys([*some, bench.space.largest()]):
        check_inference(bench.supernet.extract(architecture), bench.supernet.reads(x[:_ALONE], architecture))
        check_extraction(bench.supernet, architecture, x)
        if bench.searched is bench.supernet:
            check_verdict(bench.evaluator, architecture)


def _check_trained_output(bench: Bench, network: nn.Module, x: Tensor) -> None:
    """Refuses what no loss can take, such as a head beside the model's in training alone."""
    with torch.no_grad(), torch.random.fork_rng():
        output = network.train()(x)
    shape = list(output.shape[1:]) if isinstance(output, Tensor) else None
    if shape != list(bench.data.output_shape):
        found = f"a {type(output).__name__}" if shape is None else f"outputs of shape {shape}"
        raise UsageError(
            f"space '{bench.config.space}' gives {found} in training mode; return outputs of shape "
            f"{list(bench.data.output_shape)} there too, as in evaluation."
        )


def _examples(split: Split, most: int) -> Tensor:
    """The first examples of a split."""
    x, _ = next(iter(split.batches(min(most, len(split)))))
    return x
