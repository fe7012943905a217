"""What decides the outcome of a run besides its configuration: Python, platform, libraries."""

import platform
from importlib.metadata import PackageNotFoundError, version

from nas.parts import DISTRIBUTION

__all__ = ["versions"]

_LIBRARIES = ("nas", "torch", "numpy", "pandas", "optuna", "ray", "onnx", "onnxruntime", "scikit-learn")


def versions() -> dict[str, str]:
    """Python, platform and the libraries that decide the outcome."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for library in _LIBRARIES:
        try:
            found[library] = version(DISTRIBUTION if library == "nas" else library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found
