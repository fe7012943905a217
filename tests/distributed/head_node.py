"""A cluster of one machine: Ray's head node with its dashboard, as a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

__all__ = ["Head", "head_node"]

_TOKEN = "a-token-of-these-tests-alone-0123456789"
_START_SECONDS = 60.0
_END_SECONDS = 20.0


@dataclass(frozen=True)
class Head:
    """Where the cluster is.

    Attributes:
        address: of its dashboard.
        home: home folder of its user.
        environment: that of a client which may use it.
    """

    address: str
    home: Path
    environment: dict[str, str]


@contextmanager
def head_node(home: Path) -> Iterator[Head]:
    """Starts it on ports of its own and ends it, and nothing else, with all its processes."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH")
    }
    environment = {
        **inherited,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
    }
    folder = Path(tempfile.mkdtemp(prefix="nas-head-"))  # its sockets need a short path
    dashboard, *others = _free_ports(7)
    names = ("port", "ray-client-server-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port")
    names += ("metrics-export-port", "runtime-env-agent-port")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
    command += ["--node-ip-address=127.0.0.1", f"--temp-dir={folder}", f"--dashboard-port={dashboard}"]
    command += ["--object-store-memory=100000000"]
    command += [f"--{name}={port}" for name, port in zip(names, others, strict=True)]
    with (folder / "head.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**environment, "HOME": str(home)}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{dashboard}"
        _wait_for(address, process, folder / "head.log")
        yield Head(address, home, environment)
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with closing(urlopen(f"{address}/api/version", timeout=5)):
                return
        except HTTPError:
            return  # it answers that it wants the token
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"the head node did not start: {log.read_text()[-2000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kills all processes of the head node's session, which is nobody else's, and checks that none is left."""
    end = time.monotonic() + _END_SECONDS
    while (left := _session(process.pid)) and time.monotonic() < end:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.2)
    assert not left, f"the head node left processes behind: {left}"


def _session(leader: int) -> list[int]:
    """The processes of a session, but for those that have ended and were not waited for."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(int(entry.name))
    return found
