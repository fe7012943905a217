"""One supernet in the terms of several tools: all hold the same weights, and each is told which architecture it runs."""

import importlib.util
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

import nas
from nas.evaluation.trie import Trie
from search_spaces.mobilenet import mobilenet

sys.path.append(str(Path(__file__).parents[1] / "equal_time"))

__all__ = ["SHAPE", "SPACE", "Engine", "installed", "new_supernet"]

SHAPE, CLASSES = (3, 32, 32), 10
SPACE = {
    "widths": [16, 24, 40],
    "strides": [2, 2, 2],
    "width_multipliers": [0.5, 1.0],
    "depths": [1, 2, 3],
    "kernels": [3, 5, 7],
    "expansions": [3, 4, 6],
    "stem": 16,
    "head": 96,
}

Forward = Callable[[Tensor], Tensor]
Recalibrated = Callable[[nas.Architecture, Sequence[Tensor]], Forward]


@dataclass(frozen=True)
class Engine:
    """How a tool runs an architecture.

    Attributes:
        name: of the tool.
        network: makes an architecture the active one, and returns the module that runs it.
        recalibrated: averages batch-norm statistics of an architecture over batches, and returns its forward with them;
            all in evaluation mode. None where the tool has no such thing.
    """

    name: str
    network: Callable[[nas.Architecture], nn.Module]
    recalibrated: Recalibrated | None


def new_supernet() -> nas.Supernet:
    return nas.Supernet(mobilenet(SHAPE, CLASSES, **SPACE))


def installed(supernet: nas.Supernet) -> list[Engine]:
    """The bare loop, `nas`, and every other tool that is installed; says which is not."""
    found = [bare(supernet), ours(supernet)]
    for package, make in {"nni": nni, "modelopt": modelopt}.items():
        if importlib.util.find_spec(package) is None:
            print(f"skipped: {package} is not installed", flush=True)
        else:
            found.append(make(supernet))
    return found


def bare(supernet: nas.Supernet) -> Engine:
    """The extracted network of each architecture, made once, in plain PyTorch."""
    network = cache(supernet.extract)

    @torch.no_grad()
    def recalibrated(architecture: nas.Architecture, batches: Sequence[Tensor]) -> Forward:
        found = network(architecture).eval()
        for norm in (each for each in found.modules() if isinstance(each, nn.BatchNorm2d)):
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for x in batches:
            found(x)
        return found.eval()

    return Engine("bare loop", network, recalibrated)


def ours(supernet: nas.Supernet) -> Engine:
    """The supernet of `nas`; its evaluators hold a population's statistics in a trie, here that of one candidate."""

    def network(architecture: nas.Architecture) -> nn.Module:
        supernet.activate(architecture)
        return supernet

    def recalibrated(architecture: nas.Architecture, batches: Sequence[Tensor]) -> Forward:
        trie = Trie(supernet, [architecture])
        trie.calibrate(batches)
        return lambda x: trie.outputs(x)[0]

    return Engine("nas", network, recalibrated)


def nni(supernet: nas.Supernet) -> Engine:
    """NNI's one-shot supernet, resampled with all labels given; batch norm is left to its users."""
    warnings.filterwarnings("ignore", module="nni|pytorch_lightning")
    logging.getLogger("nni").setLevel(logging.ERROR)
    from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
    from nni.nas.strategy import RandomOneShot
    from nni_space import model_space

    theirs = RandomOneShot().mutate_model(model_space("mobilenet", SHAPE, CLASSES, SPACE))
    copy_weights(supernet, theirs)
    parts = [each for each in theirs.modules() if isinstance(each, BaseSuperNetModule)]
    largest = dict(supernet.space.largest())

    def network(architecture: nas.Architecture) -> nn.Module:
        memo = {**largest, **architecture}
        for part in parts:
            memo.update(part.resample(memo))
        return theirs

    return Engine("NNI", network, None)


def modelopt(supernet: nas.Supernet) -> Engine:
    """ModelOpt's search space of the largest network, converted for FastNAS, which lets us say what a step trains."""
    warnings.filterwarnings("ignore", module="modelopt")
    import modelopt.torch.nas as mtn
    import modelopt.torch.prune  # noqa: F401  registers FastNAS
    from modelopt.torch.nas.patch import prep_for_eval

    sizes = {
        "nn.Conv2d": {"*": {"channels_ratio": None, "channel_divisor": 8, "kernel_size": tuple(SPACE["kernels"])}},
        "nn.BatchNorm2d": {"*": {"features_ratio": None, "feature_divisor": 8}},
        "nn.Sequential": {"*": {"min_depth": 1}},
    }
    theirs = mtn.convert(supernet.extract(supernet.space.largest()), mode=[("fastnas", sizes)])
    copy_weights(supernet, theirs)

    def network(architecture: nas.Architecture) -> nn.Module:
        mtn.select(theirs, _settings(architecture), strict=False)
        return theirs

    def recalibrated(architecture: nas.Architecture, batches: Sequence[Tensor]) -> Forward:
        def forward(each: nn.Module) -> None:
            for x in batches:
                each(x)

        return prep_for_eval(network(architecture), forward)

    return Engine("ModelOpt", network, recalibrated)


def _settings(architecture: nas.Architecture) -> dict[str, object]:
    """ModelOpt's hyperparameters of an architecture; it chooses hidden widths, not expansions."""
    settings: dict[str, object] = {}
    inputs = SPACE["stem"]
    for stage in (f"stage{number}" for number in range(1, len(SPACE["widths"]) + 1)):
        depth, width = architecture[f"{stage}.depth"], architecture[f"{stage}.width"]
        settings[f"{stage}.depth"], settings[f"{stage}.0.project.0.out_channels"] = depth, width
        for block in (f"{stage}.{index}" for index in range(depth)):
            kernel = architecture[f"{block}.kernel"]
            settings[f"{block}.depthwise.0.kernel_size"] = (kernel, kernel)
            settings[f"{block}.expand.0.out_channels"] = int(inputs * architecture[f"{block}.expansion"])
            inputs = width
    return settings


def copy_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """All parameters and buffers, which both modules have in the same order.

    Raises:
        RuntimeError: two of them have not the same shape.
        ValueError: one module has more of them.
    """
    with torch.no_grad():
        for own, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            if own.shape != other.shape:
                raise RuntimeError(f"weights of {tuple(other.shape)} where `nas` has {tuple(own.shape)}")
            other.copy_(own)
