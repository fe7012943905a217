"""Child processes end with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HANGS = """
import multiprocessing, os, time
from nas.child_process import follow_parent

def hang(connection):
    follow_parent()
    connection.send(os.getpid())
    time.sleep(3600)

if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    context.Process(target=hang, args=(theirs,), daemon=True).start()
    print(ours.recv(), flush=True)
    time.sleep(3600)
"""


def test_a_child_that_hangs_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGINT)  # what Ctrl-C sends is left to the parent
        assert is_there(child)
        parent.kill()
    while is_there(child):  # or the test is ended by its time limit
        time.sleep(0.01)


def is_there(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    if not state.parent.parent.exists():
        os.kill(process, 0)
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
