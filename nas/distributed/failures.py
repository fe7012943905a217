"""What went wrong on another machine, as this one tells it."""

import re
from typing import Any

from nas.distributed.cluster import ray_module
from nas.errors import UsageError

__all__ = ["far_mistake", "result_of"]


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


def result_of(call: Any) -> Any:
    """What a remote call gives, for which there is no other worker.

    Raises:
        UsageError: the call raises it, or its worker died as often as Ray was told to try.
    """
    ray = ray_module()
    try:
        return ray.get(call)
    except ray.exceptions.RayTaskError as error:
        raise far_mistake(error) from error
    except ray.exceptions.RayError as error:
        raise UsageError(
            f"a worker died again and again ({str(error).splitlines()[0]}); give each more memory, or see the log of "
            "the cluster."
        ) from error
