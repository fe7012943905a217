"""What went wrong on another machine, as this one tells it."""

import re

from nas.errors import UsageError

__all__ = ["far_mistake"]


def far_mistake(error: Exception) -> Exception:
    """The exception that a remote call ended with, as it would be here; a mistake of the user says where it was found.

    Args:
        error: a ``RayTaskError``.
    """
    cause = getattr(error, "cause", None)
    if isinstance(cause, UsageError):
        address = re.search(r"\bip=([^,)\s]+)", str(error))
        return UsageError(f"worker on {address[1] if address else 'another machine'}: {cause}")
    return cause if isinstance(cause, Exception) else error
