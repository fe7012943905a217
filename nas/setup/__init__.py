"""What a run is asked to do, and all that this stands for: configuration, folder, setup, workers."""

from nas.setup.config import RunConfig, resolve
from nas.setup.folder import RunFolder, free_name
from nas.setup.progress import Progress, ProgressTask, Silent
from nas.setup.run_setup import Setup
from nas.setup.spaces import build_space
from nas.setup.values import assign, put, read_yaml

__all__ = [
    "Progress",
    "ProgressTask",
    "RunConfig",
    "RunFolder",
    "Setup",
    "Silent",
    "assign",
    "build_space",
    "free_name",
    "put",
    "read_yaml",
    "resolve",
]
