"""Giving rows to banks by a table of scores, so that every bank receives the same share.

Pure functions of scores ``[rows, banks]``, the higher the better. Softly: probabilities whose mean over the rows is
the same for every bank. Hard: one bank for each row, and as many rows for every bank.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["TOLERANCE", "balance", "equal_shares", "imbalance", "soft_assignment"]

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

TOLERANCE = 1e-4
"""Of the balance, in nats."""

_TIE = 1e-9


def soft_assignment(scores: Matrix, temperature: float, offsets: Matrix) -> Matrix:
    """Probabilities ``[..., banks]``: the softmax of ``temperature * scores - offsets``, of each row by itself."""
    logits = temperature * scores - offsets
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    result: Matrix = weights / weights.sum(-1, keepdims=True)
    return result


def imbalance(probabilities: Matrix) -> float:
    """How far the mean over the rows is from equal shares: its divergence (Kullback-Leibler) from them in nats."""
    share = probabilities.mean(0)
    return float((share * np.log(np.maximum(share * len(share), np.finfo(float).tiny))).sum())


def balance(scores: Matrix, temperature: float, tolerance: float = TOLERANCE) -> tuple[Matrix, int]:
    """The offsets ``[banks]`` with which :func:`soft_assignment` is balanced, and in how many rounds they were found.

    A round divides the probabilities of each bank by their mean over the rows and normalises the rows again (Sinkhorn
    and Knopp, 1967). What a bank was divided by in all rounds together comes to one number, of which the offset is the
    logarithm; so the very divisions can be repeated for a row of other scores.

    Args:
        tolerance: the imbalance that is left at most.
    """
    offsets = np.zeros(scores.shape[1])
    rounds = 0
    while imbalance(soft_assignment(scores, temperature, offsets)) > tolerance:
        offsets += _log_shares(temperature * scores - offsets)
        rounds += 1
    return offsets, rounds


def equal_shares(scores: Matrix) -> Rows:
    """A bank for each row, of all assignments with equal shares the one with the largest sum of scores.

    Every bank gets ``rows / banks`` rows, rounded down or up: a transport problem, solved as a linear program whose
    corners are whole numbers. Ties are broken at random, always alike.
    """
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    rows, banks = scores.shape
    if np.ptp(scores) == 0:
        alike: Rows = np.arange(rows) % banks
        return alike
    gains = (scores + _TIE * np.random.default_rng(0).random(scores.shape)).ravel()
    banks_of_row = kron(eye_array(rows), np.ones((1, banks)), format="csr")
    rows_of_bank = kron(np.ones((1, rows)), eye_array(banks), format="csr")
    found = linprog(
        -gains,
        A_ub=vstack([rows_of_bank, -rows_of_bank]),
        b_ub=np.repeat([-(-rows // banks), -(rows // banks)], banks),
        A_eq=banks_of_row,
        b_eq=np.ones(rows),
        method="highs-ds",
    )
    if not found.success:
        raise RuntimeError(f"equal shares of {rows} rows for {banks} banks were not found: {found.message}")
    taken: Rows = found.x.reshape(rows, banks).argmax(1)
    return taken


def _log_shares(logits: Matrix) -> Matrix:
    """The logarithm of the mean over the rows of their softmax; finite also where a share is too small for a number."""
    from scipy.special import log_softmax, logsumexp

    found: Matrix = logsumexp(log_softmax(logits, axis=1), axis=0) - np.log(len(logits))
    return found
