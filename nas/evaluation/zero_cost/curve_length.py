"""The proxy from how long the image of a circle is."""

import math

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.evaluation.zero_cost.probe import Probe, without_normalisation

__all__ = ["length_distortion"]

_POINTS = 64


def length_distortion(network: nn.Module, probe: Probe) -> float:
    """The length of what the network makes of a circle in its input space (As-ViT, Chen et al., 2022).

    The circle has radius one, in a random plane; the sum of the lengths of the tangents at 64 points. Normalisation is
    left out.

    Raises:
        UsageError: the inputs are no numbers.
    """
    example = probe.batches[0][0]
    if not example.is_floating_point():
        raise UsageError(
            "proxy 'length-distortion' moves along a circle of inputs, which tokens cannot; choose another."
        )
    network = without_normalisation(network).eval()
    plane, _ = torch.linalg.qr(probe.normal(example[0].numel(), 2))
    angles = torch.arange(_POINTS, device=example.device) * (2 * math.pi / _POINTS)
    circle = torch.stack([angles.cos(), angles.sin()], 1) @ plane.T
    tangents = torch.stack([-angles.sin(), angles.cos()], 1) @ plane.T
    shape = (_POINTS, *example.shape[1:])
    moved: Tensor = torch.func.jvp(network, (circle.view(shape),), (tangents.view(shape),))[1]
    return float(moved.flatten(1).norm(dim=1).sum())
