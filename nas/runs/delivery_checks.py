"""Checks, before networks are delivered or retrained, that they are the ones that the search judged."""

from collections.abc import Iterable

from nas.evaluation import check_extraction, check_verdict
from nas.runs.bench import Bench
from nas.space import Architecture

__all__ = ["check_delivered"]

_BESIDE_LARGEST = 5
_EXAMPLES = 32


def check_delivered(bench: Bench, architectures: Iterable[Architecture]) -> None:
    """Checks the first few of the architectures, with weights as trained, and the largest.

    The one that is delivered must come first.

    Where the searched supernet is another model than that of the delivered networks, as in differentiable methods that
    search with fewer cells, verdicts are of the other one; then extraction alone is checked.

    Raises:
        UsageError: a network differs from what was judged.
    """
    x, _ = next(iter(bench.data.validation.batches(min(_EXAMPLES, len(bench.data.validation)))))
    some = list(dict.fromkeys(map(bench.space.architecture, architectures)))[:_BESIDE_LARGEST]
    for architecture in dict.fromkeys([*some, bench.space.largest()]):
        check_extraction(bench.supernet, architecture, x)
        if bench.searched is bench.supernet:
            check_verdict(bench.evaluator, architecture)
