"""Options that several schemes take: by which choices, and when."""

from collections.abc import Sequence

from nas.errors import UsageError, did_you_mean
from nas.space import Space

__all__ = ["check_choices", "check_shares"]


def check_choices(choices: str | Sequence[str], space: Space) -> list[str]:
    """The names of choices, each once; UsageError if one is not of the space, or there is none."""
    names = [choices] if isinstance(choices, str) else list(dict.fromkeys(choices))
    for name in names:
        if name not in space.choices:
            raise UsageError(f"sharing goes by '{name}', which is no choice; {did_you_mean(name, space.choices)}")
    if not names:
        raise UsageError("sharing goes by choices=[], so all architectures would be one; name a choice.")
    return names


def check_shares(shares: Sequence[float]) -> list[float]:
    """The shares; UsageError if one is below 0, or not below 1, or they do not increase."""
    if not all(0 <= share < 1 for share in shares) or sorted(set(shares)) != list(shares):
        raise UsageError(
            f"split_at is {', '.join(f'{share:g}' for share in shares)}; give shares of the training from 0 to below "
            "1, each above the one before."
        )
    return list(shares)
