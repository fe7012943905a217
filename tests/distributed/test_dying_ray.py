"""Ray that does not start, does not answer, or dies in the middle: one sentence, soon."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from one_ray import address

from nas.distributed import connected
from nas.distributed.cluster import ray_module
from nas.distributed.watch import after, death_of, ended_by
from nas.errors import UsageError

VICTIM = """
import os, signal, sys, threading, time
from nas.cli import main
from nas.distributed import connected

def work():
    with connected(cpus=2) as ray:
        from ray._private.worker import _global_node

        victim = _global_node.all_processes[sys.argv[1]][0].process.pid
        call = ray.remote(lambda: time.sleep(600)).remote()
        threading.Timer(1.0, os.kill, (victim, signal.SIGKILL)).start()
        ray.get(call)

import nas.cli.app
nas.cli.app.app = lambda *_, **__: work()
main([])
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.distributed.watch._LOOK_SECONDS", 0.05)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def test_a_block_that_waits_is_ended_with_the_sentence(impatient: None) -> None:
    with pytest.raises(UsageError, match="it is late"), ended_by(after(0.1, "it is late.")):
        threading.Event().wait(60)


def test_a_block_that_ends_in_time_and_ctrl_c_are_left_alone(impatient: None) -> None:
    with ended_by(after(60, "it is late.")):
        pass
    with pytest.raises(KeyboardInterrupt), ended_by(after(60, "it is late.")):
        raise KeyboardInterrupt
    assert not [thread for thread in threading.enumerate() if thread.name == "watch on Ray"]


def test_nothing_is_watched_beside_the_main_thread(impatient: None) -> None:
    ended: list[bool] = []

    def work() -> None:
        with ended_by(lambda: "never asked."):
            time.sleep(0.3)
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


def test_a_block_that_cannot_be_ended_ends_the_process() -> None:
    script = (
        "import signal, nas.distributed.watch as watch; watch._LOOK_SECONDS = watch._LEAVE_SECONDS = 0.1\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "with watch.ended_by(watch.after(0.1, 'Ray has ended.')): signal.pause(); signal.pause()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (2, "nas: Ray has ended.\n")


def test_sigterm_does_beside_ray_what_it_did_before() -> None:
    def end(number: int, frame: Any) -> None: ...

    before = signal.signal(signal.SIGTERM, end)
    try:
        with connected(address()):
            assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)


class Silent:
    """What of Ray is asked whether it lives."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, port: int, *, alive: bool = True) -> None:
        self._port, self._alive = port, alive

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address=f"127.0.0.1:{self._port}", get_node_id=lambda: "here")

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "here", "Alive": self._alive}, {"NodeID": "there", "Alive": True}]


def test_a_ray_that_answers_lives(listening: socket.socket) -> None:
    assert death_of(Silent(listening.getsockname()[1]), "Ray", patience=0)() is None


def test_a_head_that_is_gone_is_dead_after_some_patience(listening: socket.socket) -> None:
    ray = Silent(listening.getsockname()[1])
    patient, impatient = death_of(ray, "Ray", patience=60), death_of(ray, "Ray", patience=-1)
    listening.close()
    assert patient() is None
    assert "Ray has ended ([Errno" in str(impatient()) and "nas resume" in str(impatient())


def test_a_machine_that_no_longer_counts_is_dead(listening: socket.socket) -> None:
    sentence = death_of(Silent(listening.getsockname()[1], alive=False), "Ray", patience=60)()
    assert "Ray has lost its process on this machine" in str(sentence)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/tmp/ray"),
        OSError(28, "No space left on device"),
        ValueError(
            "Attempting to cap object store memory usage at 1 bytes, but the minimum allowed is 78643200 bytes."
        ),
        Exception("The current node timed out during startup."),
        RuntimeError("Port 6379 is already in use.\nlook elsewhere"),
        SystemExit(1),
    ],
)
def test_a_ray_that_does_not_start_is_one_sentence(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(ray_module(), "init", refuse)
    with pytest.raises(UsageError, match=r"Ray, .* could not be started on this machine") as caught, connected(cpus=1):
        pass
    assert " ".join(str(error).split()) in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.__cause__ is None


def test_a_ray_that_does_not_start_in_time_is_one_sentence(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_module(), "init", lambda *_, **__: threading.Event().wait(60))
    monkeypatch.setattr("nas.distributed.cluster._START_SECONDS", 0.2)
    with pytest.raises(UsageError, match="Ray did not start within"), connected(cpus=1):
        pass


def test_an_address_where_something_else_listens_is_one_sentence(
    listening: socket.socket, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_module(), "init", lambda *_, **__: threading.Event().wait(60))
    monkeypatch.setattr("nas.distributed.cluster._START_SECONDS", 0.2)
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(UsageError, match=f"ray.address is '{address}', where no Ray answers"), connected(address):
        pass


def test_a_cluster_of_another_version_is_told_with_both(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.7\n")

    monkeypatch.setattr(ray_module(), "init", refuse)
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(UsageError, match=r"Ray: 2\.9\.0 Python: 3\.11\.7.*install here what the"), connected(address):
        pass


def test_more_workers_than_a_machine_can_have_are_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_module(), "init", lambda *_, **__: pytest.fail("Ray was started"))
    with pytest.raises(UsageError, match=r"1e\+09 CPUs are asked for .* but this machine has"), connected(cpus=1e9):
        pass


def test_the_folder_of_ray_cannot_be_made() -> None:
    script = "from nas.cli import main; import nas.cli.app as a\n"
    script += "def run(*_, **__):\n    from nas.distributed import connected\n    with connected(cpus=1): pass\n"
    script += "a.app = run; main([])"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "RAY_TMPDIR": "/proc/nothing"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("nas: Ray, ") and "/proc/nothing" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("process", ["gcs_server", "raylet"])
def test_a_process_of_ray_that_is_killed_ends_the_command_in_a_sentence(process: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", VICTIM, process], capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("nas: the Ray that was started for this run has "), ended.stderr
    assert ended.stderr.count("\n") == 1
