"""A run: configuration, folder, stages, resume."""

from nas.runs.bench import Bench
from nas.runs.config import RunConfig, resolve
from nas.runs.deliver import export_architecture
from nas.runs.devices import device_table, import_measurements, pack_space
from nas.runs.feasibility import feasibility
from nas.runs.folder import RunFolder, free_name
from nas.runs.profiling import run_profile
from nas.runs.progress import Progress, Silent, Task
from nas.runs.run import run_search
from nas.runs.seeds import run_seeds
from nas.runs.spaces import build_space
from nas.runs.values import assign, put, read_yaml

__all__ = [
    "Bench",
    "Progress",
    "RunConfig",
    "RunFolder",
    "Silent",
    "Task",
    "assign",
    "build_space",
    "device_table",
    "export_architecture",
    "feasibility",
    "free_name",
    "import_measurements",
    "pack_space",
    "put",
    "read_yaml",
    "resolve",
    "run_profile",
    "run_search",
    "run_seeds",
]
