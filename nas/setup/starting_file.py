"""A configuration to begin with: what most runs set, with its default and a word on each."""

from pathlib import Path

from nas.errors import UsageError
from nas.files import write_file

__all__ = ["STARTING_FILE", "write_starting_file"]

STARTING_FILE = """\
# A search of nas. Run it with: nas search --config FILE
# What is left out keeps its default; config.yaml in the folder of a run has every key.

# What is searched: a name of `nas list spaces`, or module:function of your own.
space: mobilenet
# space_args: {}              # arguments of that function

# What networks learn from: a name of `nas list tasks`, or module:function.
task: noisy_digits
# data_dir: path/to/data      # folder with the files of the data, where the task needs one
# image_size: 32              # resize images to this height and width

# What the network must keep; several constraints hold together.
constraints:
  - latency_ms <= 50% of largest
  # - params <= 1e6

# Where latency is measured: a name of `nas list targets`, or of a device of `nas device import`.
target: onnxruntime
dtype: float32                # what networks compute in: float32, float16 or int8
threads: 1                    # CPU threads of a measured inference

# How long it takes: a time for everything, from which the rest is planned …
# time: 10m
# … or how much is trained and evaluated.
candidates: 200               # architectures that are evaluated
# training:
#   epochs: 30                # of the supernet; by default as the method has it
#   batch_size: 64

# How it is done: `nas list methods` and `nas list strategies` tell what there is.
# method: bignas              # how the supernet is trained
strategy: evolution           # how it is searched

# Further processes that evaluate candidates.
# workers: 2

seed: 0                       # fixes the run
"""


def write_starting_file(path: Path) -> Path:
    """Writes the file.

    Raises:
        UsageError: there is a file or folder of that name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_starting_file(Path(folder) / "run.yaml").name
    'run.yaml'
    """
    if path.exists():
        raise UsageError(f"{path} is there already; name another file, or delete that one.")
    return write_file(path, STARTING_FILE)
