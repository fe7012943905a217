"""Costs as somebody writes them beside a run."""

from torch import nn

from nas.costs import Candidate


def bops(candidate: Candidate, bits: int = 8) -> float:
    """Bit operations, of weights and activations of so many bits."""
    return candidate.costs["flops"] / 2 * bits**2


def layers(candidate: Candidate) -> float:
    """How many layers have weights."""
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in candidate.network.modules())


def broken(candidate: Candidate) -> float:
    """Divides by nothing."""
    return 1 / (len(candidate.architecture) - len(candidate.architecture))
