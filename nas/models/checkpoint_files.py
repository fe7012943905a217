"""Files of weights as bytes, by which a run knows them again."""

import hashlib
from pathlib import Path

from nas.errors import UsageError

__all__ = ["digest_of", "hashed", "read_checkpoint"]


def read_checkpoint(path: Path) -> bytes:
    """What a file holds.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"checkpoint {path} cannot be read: {error.strerror}.") from None


def hashed(content: bytes) -> str:
    """16 hex digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def digest_of(path: Path) -> str:
    """That of a file.

    Raises:
        UsageError: it cannot be read.
    """
    return hashed(read_checkpoint(path))
