"""Costs as somebody writes them beside a run."""

from torch import nn

from nas import Candidate, UsageError


def bops(candidate: Candidate, bits: int = 8) -> float:
    """Bit operations, of weights and activations of so many bits."""
    return candidate.costs["flops"] / 2 * bits**2


def layers(candidate: Candidate) -> float:
    """How many layers have weights."""
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in candidate.network.modules())


def broken(candidate: Candidate) -> float:
    """Divides by nothing."""
    return 1 / (len(candidate.architecture) - len(candidate.architecture))


def huge(candidate: Candidate) -> float:
    """More than a float holds."""
    return 10**400


def absent(candidate: Candidate) -> float:
    """Knows what is wrong with it."""
    raise UsageError("the table of costs is not there; build it.")


def test_accuracy(candidate: Candidate) -> float:
    """Called as results call something else."""
    return 1.0
