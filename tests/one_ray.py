"""One Ray for all tests of a session, whichever process of pytest-xdist they run in.

It has four CPUs and four GPUs, as far as it knows, and ends with the process that began the session, however that ends.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from nas.distributed import ray_module

__all__ = ["address"]

_START_SECONDS = 120.0


def address() -> str:
    """``host:port`` of its head, which the first that asks starts."""
    folder = Path(os.environ["NAS_TEST_STATE"])
    told = folder / "ray"
    with FileLock(folder / "ray.lock"):
        if not told.exists():
            _start(folder, told)
    return told.read_text()


def _start(folder: Path, told: Path) -> None:
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)  # workers import what tests would
    environment = {**os.environ, "PYTHONPATH": path}
    with (folder / "ray.log").open("wb") as log:
        head = subprocess.Popen(
            [sys.executable, __file__, str(told)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    end = time.monotonic() + _START_SECONDS
    while not told.exists():
        assert head.poll() is None and time.monotonic() < end, (folder / "ray.log").read_text()
        time.sleep(0.1)


def main(told: Path) -> None:
    """Starts it, tells its address in a file, and ends it after the session."""
    session = int(os.environ["NAS_TEST_SESSION"])
    ray_module()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 4, "num_gpus": 4, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    unfinished = told.with_suffix(".new")
    unfinished.write_text(cluster.address)
    unfinished.rename(told)
    with suppress(ProcessLookupError):
        while True:
            os.kill(session, 0)
            time.sleep(0.5)
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
