"""`nas retrain` in a process that is killed."""

import subprocess
import sys
import time

import pandas as pd
import pytest

from nas.setup import RunFolder

PROGRAM = """
import sys
from pathlib import Path
from nas.setup import RunFolder
from nas.setup.config import RayConfig
from nas.delivery.exported import ExportedNetwork
from nas.retraining.run import retrain_run
folder = RunFolder(Path(sys.argv[1]))
retrain_run(folder, folder.load_config(), top=2, trials=6, epochs=40, seed=1)
"""


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_its_end(folder: RunFolder) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder.path)]
    seen = 0
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None:
            time.sleep(0.05)
            now = len(list(folder.retraining.glob("trials/*/checkpoint_*")))
            if now > seen:
                time.sleep(1)
                seen = now + 1
                break
        process.kill()
        process.communicate()
        assert process.returncode == -9 and not folder.read(folder.best).get("retrained")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(folder.path / "retrained.csv")) == 6
    assert folder.read(folder.best)["retrained"]["trials"] == 6
    assert not list(folder.path.rglob(".*.tmp"))
