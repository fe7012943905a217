"""What `nas submit` and `nas fetch` refuse, before anything is sent or by a dashboard's answer."""

import http.server
import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from command_line import TINY, Outcome, nas

from nas.distributed.jobs import Ending
from nas.errors import UsageError
from nas.runs.log_transfer import pack
from nas.runs.submission import bring_back, search_to_send, submit_search
from nas.setup import RunFolder, resolve

NOWHERE = "http://127.0.0.1:1"
BEFORE_SENDING = {
    "unknown key": (["--set", "candidats=3"], r"unknown key 'candidats'; did you mean 'candidates'?"),
    "unknown method": (["--set", "method=bignass"], "method 'bignass' is not known"),
    "unknown space": (["--set", "space=chian"], "space 'chian' is not known; did you mean 'chain'?"),
    "unknown argument of a space": (["--set", "space_args.widht=3"], "no option 'widht'; did you mean 'width'?"),
    "unknown data": (["--set", "data=digit"], "task 'digit' is not known; did you mean 'digits'?"),
    "unknown strategy": (["--set", "strategy=evolve"], "strategy 'evolve' is not known"),
    "a name that is a path": (["--name", "../elsewhere"], "--name is '../elsewhere', expected letters"),
    "a space that is not here": (["--set", "space=not_there:space"], "'not_there:space' is in no module beside"),
    "a module without a name": (["--set", "space=':space'", "--name", "x"], "':space' is in no module beside"),
    "a file that is not here": (["--include", "not-there.py"], "--include is 'not-there.py', which is not there"),
    "data that stays here": (
        ["--set", "data_dir=mine"],
        "data_dir is 'mine', which is not sent to the cluster; add --i",
    ),
    "data above this folder": (["--set", "data_dir=../mine"], "which is not sent to the cluster; move it below this"),
    "no workers": (["--workers", 0], "workers is 0"),
    "an address without a scheme": (["--address", "head:8265"], "--address is 'head:8265', expected that of the"),
    "an address of Ray itself": (["--address", "ray://head:10001"], "'ray://head:10001', expected that of the"),
    "an address without a host": (["--address", "http://"], "--address is 'http:', expected that of the"),
    "an impossible port": (["--address", "http://127.0.0.1:port"], "where no dashboard answers"),
    "nothing at the address": ([], f"--address is '{NOWHERE}', where no dashboard answers (Connection refused)"),
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration; Ray's own variables name no cluster."""
    monkeypatch.chdir(tmp_path)
    for variable in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path


def submit(*words: object) -> Outcome:
    return nas("submit", "search.yaml", "--address", NOWHERE, *words)


@pytest.mark.parametrize("case", BEFORE_SENDING)
def test_a_mistake_ends_with_one_sentence_before_anything_is_sent(case, project):
    words, sentence = BEFORE_SENDING[case]
    outcome = submit(*words)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert sentence in outcome.err
    assert [path.name for path in project.iterdir()] == ["search.yaml"]


def test_a_missing_config_and_a_missing_address_are_told():
    assert nas("submit", "none.yaml", "--address", NOWHERE).complaint.startswith("nas: config file none.yaml cannot")
    assert "--address" in nas("submit", "search.yaml").complaint
    assert nas("fetch", "job", "--address", NOWHERE).code == 2


def test_a_run_that_is_here_already_is_not_fetched_over(project):
    (project / "results" / "mine").mkdir(parents=True)
    outcome = submit("--name", "mine")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "results/mine is there already" in outcome.err


@contextmanager
def server(status: int, answer: object) -> Iterator[str]:
    """The address of something that answers everything with this."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path != "/api/version" or status != 404 else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{found.server_port}"
    finally:
        found.shutdown()
        found.server_close()


RAY = {"ray_version": "2.60.0", "version": "4", "ray_commit": "x"}
ANSWERS = {
    "another web server": (200, {"hello": "world"}, "what answers there is no dashboard of Ray"),
    "a page that is no object": (200, ["ray_version"], "what answers there is no dashboard of Ray"),
    "a broken server": (500, RAY, "what answers there is no dashboard of Ray"),
    "no token": (401, RAY, "wants a token that is not the one here; copy ~/.ray/auth_token of its head node"),
    "another token": (403, RAY, "wants a token that is not the one here; copy ~/.ray/auth_token of its head node"),
    "an unknown job": (404, RAY, "job 'raysubmit_none' is not known to the cluster at http"),
    "an old Ray": (200, {**RAY, "ray_version": "1.8"}, "refuses: Ray version 1.8 is running on the cluster"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_a_dashboard_answers_is_told_in_one_sentence(case):
    status, answer, sentence = ANSWERS[case]
    with server(status, answer) as address:
        outcome = nas("fetch", "raysubmit_none", "--address", address)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert sentence in outcome.err


def test_an_address_that_ray_would_not_go_to_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with server(200, RAY) as address:
        outcome = nas("fetch", "job", "--address", address)
    assert outcome.code == 2
    assert "the environment variable RAY_ADDRESS is '10.0.0.1:6379', and Ray would go there; unset it" in outcome.err


def test_only_what_the_search_needs_is_sent(project):
    for file in ("mine/__init__.py", "mine/__pycache__/x.pyc", "other.py", "secret.txt", "deep/data/a.npz"):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("")
    (project / "deep" / ".gitignore").write_text("*.npz")
    config = resolve({"space": "mine.sub:space", "data": "other:data", "data_dir": "deep/data/a.npz"}, "test")
    with search_to_send(config, "run", beside=project, include=[Path("deep")]) as folder:
        sent = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert resolve(yaml.safe_load((folder / "config.yaml").read_text()), "sent") == config
    assert sent == {"config.yaml", "mine/__init__.py", "other.py", "deep/data/a.npz"}
    assert not folder.exists()


def test_the_module_and_the_weights_of_an_own_model_are_sent(project):
    (project / "mine.py").write_text("")
    (project / "weights.pt").write_bytes(b"weights")
    arguments = {"model": "mine:build", "checkpoint": "weights.pt", "order": "taylor"}
    config = resolve({"space": "elastic", "space_args": arguments, "data": "digits"}, "test")
    refused = "space_args.checkpoint is 'weights.pt', which is not sent to the cluster; "
    refused += "add --include weights.pt, or give the absolute path that it has here and there."
    with pytest.raises(UsageError, match=re.escape(refused)), search_to_send(config, "run", beside=project):
        pass
    with search_to_send(config, "run", beside=project, include=[Path("weights.pt")]) as folder:
        assert {path.name for path in folder.iterdir()} == {"config.yaml", "mine.py", "weights.pt"}
        assert resolve(yaml.safe_load((folder / "config.yaml").read_text()), "sent") == config


def test_after_ctrl_c_it_says_how_to_come_back(monkeypatch):
    class Interrupted:
        """A cluster whose user presses Ctrl-C while the log is followed."""

        def __init__(self, address: str) -> None:
            self.address = address

        def submit(self, command: str, metadata: dict[str, str], folder: Path) -> str:
            self.kept = metadata
            return "raysubmit_1"

        def metadata(self, job: str) -> dict[str, str]:
            return self.kept

        def follow(self, job: str, tell: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("nas.distributed.Jobs", Interrupted)
    outcome = submit("--name", "mine", "--results", "kept here")
    assert outcome.code == 130
    back = f"nas fetch raysubmit_1 --address {NOWHERE} --results 'kept here'"
    assert outcome.err.splitlines() == [
        f"job raysubmit_1, run mine; come back at any time with: {back}",
        f"nas: interrupted; the job goes on; come back with: {back}",
    ]


class Cluster:
    """Runs nothing: its answer to every job that asks for a folder is a run with this configuration."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.commands: list[str] = []
        self.kept: dict[str, str] = {}

    def submit(self, command: str, metadata: dict[str, str] | None = None, folder: Path | None = None) -> str:
        self.commands.append(command)
        self.kept = metadata or self.kept
        return "raysubmit_1"

    def metadata(self, job: str) -> dict[str, str]:
        return self.kept

    def wait(self, job: str) -> Ending:
        return Ending("SUCCEEDED", 0, "")

    def output(self, job: str) -> str:
        return pack(self.folder)

    def forget(self, job: str) -> None:
        """Keeps no jobs."""


def cluster(path: Path, **ray: object) -> Cluster:
    """One that answers with a finished run of the space sent there, with these keys of ``ray``."""
    folder = RunFolder(path)
    folder.create(resolve({"space": "mine:space", "ray": ray}, "test"))
    for file in (folder.best, folder.onnx, folder.report, folder.candidates):
        file.write_text("{}")
    return Cluster(folder)


@pytest.mark.parametrize(("address", "is_own"), [("auto", True), ("10.0.0.9:6379", False)])
def test_a_folder_that_comes_back_is_one_s_own_if_it_connects_nowhere_else(address, is_own, project):
    (project / "mine.py").write_text("")
    jobs = cluster(project / "there" / "run", address=address)
    with search_to_send(resolve({"space": "mine:space"}, "test"), "run", beside=project) as sent:
        submit_search(jobs, sent, "run")
    bring_back(jobs, "raysubmit_1", project / "results" / "run")
    folder = RunFolder(project / "results" / "run")
    assert folder.read_config().ray.address == address
    assert folder.is_own(folder.read_config()) == is_own


@pytest.mark.parametrize("name", ["first try", "x;reboot", "it's"])
def test_a_name_is_one_word_of_a_command_on_the_cluster(name, project):
    (project / "mine.py").write_text("")
    jobs = cluster(project / "there" / "run")
    with search_to_send(resolve({"space": "mine:space"}, "test"), name, beside=project) as sent:
        submit_search(jobs, sent, name)
    bring_back(jobs, "raysubmit_1", project / "results" / name)
    search, parcel = map(shlex.split, jobs.commands)
    assert search[search.index("--name") + 1] == name and "--json" in search
    assert parcel[parcel.index("parcel") + 1] == name
