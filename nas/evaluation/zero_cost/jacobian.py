"""The proxy from how differently a network reacts to examples."""

import torch
from torch import nn

from nas.errors import UsageError
from nas.evaluation.zero_cost.probe import Probe

__all__ = ["jacobian_covariance"]

_OFFSET = 1e-5


def jacobian_covariance(network: nn.Module, probe: Probe) -> float:
    """How little the gradients of the outputs by the inputs correlate between examples (Mellor et al., 2020).

    Minus the sum of log(e + k) + 1 / (e + k) over the eigenvalues e of the matrix ``[N, N]`` of correlations.

    Raises:
        UsageError: the inputs are no numbers that have gradients.
    """
    inputs = probe.batches[0][0]
    if not inputs.is_floating_point():
        raise UsageError("proxy 'jacob-cov' needs gradients by the inputs, which tokens do not have; choose another.")
    inputs = inputs.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(network(inputs).sum(), inputs, allow_unused=True, materialize_grads=True)
    correlations = torch.corrcoef(gradients.flatten(1).double())
    if not correlations.isfinite().all():
        return float("nan")
    shifted = torch.linalg.eigvalsh(correlations) + _OFFSET
    return -float((shifted.log() + 1 / shifted).sum())
