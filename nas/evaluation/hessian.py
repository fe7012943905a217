"""How sharp is the minimum that architecture parameters are in?"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nas.errors import UsageError

__all__ = ["sharpness"]


def sharpness(loss: Callable[[], Tensor], alphas: Sequence[Tensor], iterations: int = 20, seed: int = 0) -> float:
    """The eigenvalue of largest magnitude of the Hessian of a loss (Zela et al., 2020).

    By power iteration on products of the Hessian with a vector. Large values foretell that a relaxed architecture loses
    accuracy when it is made discrete.

    Args:
        loss: a forward pass; usually the validation loss.
        alphas: leaf tensors, the architecture parameters.
        iterations: of the power method.
        seed: of the first vector.

    Raises:
        UsageError: the loss depends on none of the alphas.

    >>> alpha = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> round(sharpness(lambda: (torch.tensor([3.0, 0.5]) * alpha**2).sum(), [alpha]), 4)
    6.0
    """
    found = torch.autograd.grad(loss(), alphas, create_graph=True, allow_unused=True)
    used = [(gradient, alpha) for gradient, alpha in zip(found, alphas, strict=True) if gradient is not None]
    if not used:
        raise UsageError("the loss depends on none of the architecture parameters, so it has no sharpness in them.")
    gradients, tensors = [gradient for gradient, _ in used], [alpha for _, alpha in used]
    generator = torch.Generator().manual_seed(seed)
    vectors = [torch.randn(each.shape, generator=generator).to(each) for each in tensors]
    eigenvalue = 0.0
    for _ in range(iterations):
        length = _flat(vectors).norm()
        if length == 0:
            return 0.0
        vectors = [each / length for each in vectors]
        products = _times_hessian(gradients, tensors, vectors)
        eigenvalue = float(_flat(vectors) @ _flat(products))
        vectors = products
    return eigenvalue


def _times_hessian(gradients: Sequence[Tensor], tensors: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[Tensor]:
    """The Hessian times a vector, given the gradients with their graph; zeros for those that are constant."""
    curved = [(gradient, vector) for gradient, vector in zip(gradients, vectors, strict=True) if gradient.requires_grad]
    if not curved:
        return [torch.zeros_like(each) for each in tensors]
    outputs, directions = zip(*curved, strict=True)
    return list(
        torch.autograd.grad(outputs, tensors, directions, retain_graph=True, allow_unused=True, materialize_grads=True)
    )


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in tensors])
