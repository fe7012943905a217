"""Reading the pickles of CIFAR without running what a pickle may ask for."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UsageError

__all__ = ["read_array_pickle"]


def read_array_pickle(path: Path) -> Any:
    """Unpickle plain containers, strings, numbers and NumPy arrays; anything else is refused unrun.

    Raises:
        UsageError: if the pickle names any other function or class, or is damaged.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except _ForbiddenNameError as error:
        raise UsageError(
            f"File '{path}' asks to load {error}, which no CIFAR batch needs, and was not run; fetch the official file."
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise UsageError(f"File '{path}' is a damaged pickle ({error}); fetch it again.") from error


class _ForbiddenNameError(Exception):
    pass


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _ForbiddenNameError(f"the codec {encoding}")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        reconstruct = np.empty(0).__reduce__()[0]
        allowed = {
            "numpy.core.multiarray._reconstruct": reconstruct,
            "numpy._core.multiarray._reconstruct": reconstruct,
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
            "_codecs.encode": _encode,
        }
        if f"{module}.{name}" not in allowed:
            raise _ForbiddenNameError(f"{module}.{name}")
        return allowed[f"{module}.{name}"]
