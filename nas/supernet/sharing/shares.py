"""When schemes change: shares of the training."""

from collections.abc import Sequence

from nas.errors import UsageError

__all__ = ["check_shares"]


def check_shares(shares: Sequence[float]) -> list[float]:
    """The shares.

    Raises:
        UsageError: one is not in [0, 1), or they do not increase.
    """
    if not all(0 <= share < 1 for share in shares) or sorted(set(shares)) != list(shares):
        raise UsageError(
            f"split_at is {', '.join(f'{share:g}' for share in shares)}; give shares of the training from 0 to below 1, "
            "each above the one before."
        )
    return list(shares)
