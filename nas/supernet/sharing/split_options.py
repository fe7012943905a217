"""Options that all schemes which cut the space take: by what, and when."""

from collections.abc import Sequence

from nas.errors import UsageError, did_you_mean
from nas.space import Space

__all__ = ["check_choices", "check_shares"]


def check_choices(choices: Sequence[str], space: Space) -> list[str]:
    """The choices, each once.

    Raises:
        UsageError: one is not of the space.
    """
    for name in choices:
        if name not in space.choices:
            raise UsageError(
                f"the space is to be split by '{name}', which is no choice; {did_you_mean(name, space.choices)}"
            )
    return list(dict.fromkeys(choices))


def check_shares(shares: Sequence[float]) -> list[float]:
    """The shares.

    Raises:
        UsageError: one is below 0, or not below 1; or they do not increase.
    """
    if not all(0 <= share < 1 for share in shares) or sorted(set(shares)) != list(shares):
        raise UsageError(
            f"split_at is {', '.join(f'{share:g}' for share in shares)}; give shares of the training from 0 to below "
            "1, each above the one before."
        )
    return list(shares)
