"""A Ray of this process alone: nobody else reaches it, and its workers import what this process would."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nas.distributed import private_ray

STARTED = """
import json, os, sys
from pathlib import Path
from nas.distributed import connected

def processes(parent):
    children = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat")
                if stat.read_text().rpartition(")")[2].split()[1] == str(parent)]
    return [parent, *(each for child in children for each in processes(child))]

def link(file):
    try:
        return os.readlink(file)
    except OSError:
        return ""

def listening():
    ours = {link(file) for each in processes(os.getpid()) for file in Path(f"/proc/{each}/fd").iterdir()}
    for file in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]:
            _, place, _, state, *_, = line.split()
            if state == "0A" and f"socket:[{line.split()[9]}]" in ours:
                yield place.partition(":")[0]

def of_worker():
    import statistics
    return statistics.fmean([1, 3]), os.getcwd() in sys.path

with connected(cpus=2) as ray:
    print(json.dumps([*ray.get(ray.remote(of_worker).remote()), sorted(set(listening()))]))
"""
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Of Ray what is looked at, and a home without a token."""
    monkeypatch.setattr(private_ray, "TOKEN", tmp_path / ".ray/auth_token")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    constants = SimpleNamespace(ENABLE_RAY_CLUSTER=True)
    return SimpleNamespace(
        _private=SimpleNamespace(ray_constants=constants), job_config=SimpleNamespace(JobConfig=object)
    )


def test_it_listens_to_the_loopback_and_searches_as_here(ray: SimpleNamespace) -> None:
    before = dict(os.environ)
    with private_ray.private(ray) as told:
        assert told["include_dashboard"] is False
        assert told["job_config"]._runtime_env_has_working_dir()
        assert os.environ[private_ray._FAR] == "0" and not ray._private.ray_constants.ENABLE_RAY_CLUSTER
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(Path(entry).absolute()) for entry in sys.path]
    assert dict(os.environ) == before and ray._private.ray_constants.ENABLE_RAY_CLUSTER


def test_its_token_is_for_the_user_alone(ray: SimpleNamespace) -> None:
    before = os.umask(0)
    try:
        with private_ray.private(ray):
            assert private_ray.TOKEN.stat().st_mode & 0o777 == 0o600
        token = private_ray.TOKEN.read_text()
        assert len(token) == 64
        private_ray.TOKEN.chmod(0o644)
        with private_ray.private(ray):
            assert (private_ray.TOKEN.stat().st_mode & 0o777, private_ray.TOKEN.read_text()) == (0o600, token)
    finally:
        os.umask(before)


def test_a_kill_while_the_token_is_made_leaves_none(ray: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(count: int) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("secrets.token_hex", killed)
        with pytest.raises(KeyboardInterrupt), private_ray.private(ray):
            raise AssertionError("a Ray without a token")
    assert list(private_ray.TOKEN.parent.iterdir()) == []
    with private_ray.private(ray):
        assert len(private_ray.TOKEN.read_text()) == 64


@pytest.mark.parametrize("variable", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"])
def test_a_token_that_is_given_is_taken(variable: str, ray: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "disabled")
    with private_ray.private(ray):
        assert not private_ray.TOKEN.exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="listening sockets are read from /proc")
def test_nothing_listens_elsewhere_and_no_file_here_takes_a_module_s_place(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("raise SystemExit('statistics.py of the current folder was run')")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-P", "-c", STARTED]
    done = subprocess.run(command, cwd=tmp_path, env={**environment, "HOME": str(tmp_path)}, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    mean, finds_this_folder, places = json.loads(done.stdout)
    assert (mean, finds_this_folder) == (2.0, False)
    assert places and set(places) <= LOOPBACK
    assert (tmp_path / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
