"""How examples fall into batches."""

from nas.errors import UsageError

__all__ = ["check_batch_size", "full_batches"]


def full_batches(examples: int, batch_size: int) -> int:
    """How many batches an epoch of training has: the partial last one is dropped unless it is the only one.

    Raises:
        UsageError: for a batch size below 1.

    >>> full_batches(10, 4), full_batches(3, 4)
    (2, 1)
    """
    check_batch_size(batch_size)
    return max(examples // batch_size, 1)


def check_batch_size(batch_size: int) -> None:
    """Refuse (UsageError) less than one example."""
    if batch_size < 1:
        raise UsageError(f"A batch size of {batch_size} is impossible; give 1 or more.")
