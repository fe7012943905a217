"""The lookup table of a device: every distinct block of a space, measured where it will run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nas.errors import UsageError
from nas.hardware.cache import LatencyCache
from nas.hardware.catalogue import Block, Catalogue
from nas.hardware.machine import Machine, Subject
from nas.hardware.measurement import Measurement
from nas.supernet import Supernet, extract

__all__ = ["measure_blocks"]

_GROUP = 8
_SECONDS_EACH = 0.2


def measure_blocks(
    where: Machine, supernet: Supernet, catalogue: Catalogue, cache: LatencyCache, done: Callable[[int], None]
) -> NDArray[np.float64]:
    """Milliseconds ``[blocks]`` of each block of the catalogue, at one speed of the machine.

    Each is measured in turn with the largest network, whose median latency says what that speed is.

    Args:
        where: the device.
        supernet: whose weights the blocks get; its active architecture changes.
        catalogue: the blocks at the shapes they really have.
        cache: what is found there is not measured again, what is measured is added.
        done: told the number of blocks measured so far.

    Raises:
        UsageError: a block takes several inputs, or the target cannot run it.
    """
    shape = tuple(catalogue.example.shape[1:])
    names = {
        f"block {number} {block.path} {block.architecture.key}": block for number, block in enumerate(catalogue.blocks)
    }
    missing = [name for name in names if cache.get(name, where.fingerprint(), shape) is None]
    if missing:
        _measure(where, supernet, catalogue, cache, names, missing, done)
    found = [cache.get(name, where.fingerprint(), shape) for name in names]
    level = median(each.reference_ms for each in _known(found) if each.reference_ms)
    return np.array([each.at(level).latency_ms for each in _known(found)])


def _measure(
    where: Machine,
    supernet: Supernet,
    catalogue: Catalogue,
    cache: LatencyCache,
    blocks: Mapping[str, Block],
    missing: Sequence[str],
    done: Callable[[int], None],
) -> None:
    largest = catalogue.space.largest()
    example, shape = supernet.reads(catalogue.example, largest), tuple(catalogue.example.shape[1:])
    reference = Subject(supernet.extract(largest), tuple(example.shape[1:]), example.dtype)
    starts = range(0, len(missing), _GROUP)
    groups = ({name: _subject(supernet, blocks[name]) for name in missing[start : start + _GROUP]} for start in starts)
    count = len(blocks) - len(missing)
    for found in where.measure_groups(groups, reference, seconds_each=_SECONDS_EACH, energy=False):
        for name, measurement in found.items():
            cache.add(name, where.fingerprint(), shape, measurement)
        count += len(found)
        done(count)


def _subject(supernet: Supernet, block: Block) -> Subject:
    if len(block.inputs) != 1:
        raise UsageError(
            f"block '{block.path}' takes {len(block.inputs)} inputs, but a block is measured with one; "
            "use a predictor without a lookup table."
        )
    supernet.activate(block.architecture)
    network: nn.Module = extract(supernet.model.get_submodule(block.path), supernet.values).eval()
    (example,) = block.inputs
    return Subject(network, tuple(example.shape[1:]), example.dtype)


def _known(found: list[Measurement | None]) -> Iterator[Measurement]:
    return (each for each in found if each is not None)
