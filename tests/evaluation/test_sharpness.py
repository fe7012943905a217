"""The top eigenvalue of a Hessian that is known."""

import pytest
import torch
from torch import Tensor

from nas.errors import UsageError
from nas.evaluation.hessian import sharpness


def quadratic(eigenvalues: list[float]) -> tuple[Tensor, list[Tensor]]:
    """A Hessian with these eigenvalues, and two alphas whose entries it couples."""
    torch.manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues), dtype=torch.float64))
    first = torch.randn(len(eigenvalues), dtype=torch.float64)
    alphas = [first[:2].clone().requires_grad_(), first[2:].clone().requires_grad_()]
    return basis @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ basis.T, alphas


@pytest.mark.parametrize("eigenvalues", [[4.0, 1.0, 0.5, 0.1, 0.0], [-6.0, 2.0, 1.0, 0.0, 0.0]])
def test_a_quadratic_has_its_eigenvalue_of_largest_magnitude(eigenvalues: list[float]) -> None:
    hessian, alphas = quadratic(eigenvalues)

    def loss() -> Tensor:
        alpha = torch.cat(alphas)
        return 0.5 * alpha @ hessian @ alpha + alpha.sum()

    assert sharpness(loss, alphas) == pytest.approx(eigenvalues[0], rel=1e-9)
    assert all(alpha.grad is None for alpha in alphas)


def test_it_is_that_of_the_hessian_of_a_mixture() -> None:
    alpha = torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64, requires_grad=True)
    outputs = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.2]], dtype=torch.float64)

    def loss(alpha: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy((alpha.softmax(0) @ outputs)[None], torch.tensor([0]))

    hessian = torch.autograd.functional.hessian(loss, alpha)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    largest = float(eigenvalues[eigenvalues.abs().argmax()])
    assert sharpness(lambda: loss(alpha), [alpha], iterations=200) == pytest.approx(largest, rel=1e-6)


def test_a_flat_loss_is_not_sharp_and_unread_alphas_do_not_matter() -> None:
    alpha, unread = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    assert sharpness(alpha.sum, [alpha, unread]) == 0
    assert sharpness(lambda: alpha.square().sum(), [alpha, unread]) == pytest.approx(2)
    with pytest.raises(UsageError, match="depends on none of the architecture parameters"):
        sharpness(alpha.sum, [unread])
