"""What a run is asked to do, and all that this stands for: configuration, folder, bench, workers."""

from nas.setup.config import RunConfig, resolve
from nas.setup.experiment import Bench
from nas.setup.folder import RunFolder, free_name
from nas.setup.progress import Progress, Silent, Task
from nas.setup.spaces import build_space
from nas.setup.values import assign, put, read_yaml

__all__ = [
    "Bench",
    "Progress",
    "RunConfig",
    "RunFolder",
    "Silent",
    "Task",
    "assign",
    "build_space",
    "free_name",
    "put",
    "read_yaml",
    "resolve",
]
