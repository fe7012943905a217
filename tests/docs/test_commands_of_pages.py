"""The command lines of the documentation are ours, and the searches that they ask for can be set up."""

import shlex
from typing import Any

import pytest
import typer
from pages import PAGES, commands

from nas.cli import app as command_line

LINES = [(page, line) for page in PAGES for line in commands(page)]
FILES = {
    "mine.py": "import nas\n\nspace = nas.Space({'depth': [1, 2]})\n\n\ndef bops(candidate): return 1.0\n\n\n"
    "def simulate(architecture): return 1.0\n\n\n"
    "def train(): return None\n",
    "space.json": '{"depth": {"_type": "choice", "_value": [1, 2]}}',
    "mypackage.py": "from torch import nn\n\n\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n",
    "mydata.py": "def task(): return None\n",
    "own_data.py": "def stripes(): return None\n",
    "run.yaml": "space: chain\n",
    "weights.pt": "",
}
OF_OTHER_RUNS = ("--supernet", "--profile", "my-board")


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """The configurations of the searches that commands would run in a folder with a user's files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    configurations = []
    for name in ("_run_search", "_run_sweep", "_run_seeds"):
        monkeypatch.setattr(command_line, name, lambda config, *_: configurations.append(config))
    return configurations


def read(words: list[str]) -> Any:
    """The command that words call, down to the last of its groups.

    Raises:
        Exception: of typer, where there is no such command, option or value.
    """
    command: Any = typer.main.get_command(command_line.app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    return command.make_context(command.name, list(words))


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.stem}-{line.split('  ')[0]}" for page, line in LINES])
def test_a_command_is_understood(page, line, begun):
    words = shlex.split(line, comments=True)[1:]
    if any(word.startswith("nni:") for word in words):
        pytest.importorskip("nni", reason="the extra nas-supernet[nni] is not installed")
    context = read(words)
    if words[0] == "search" and not any(word in words for word in OF_OTHER_RUNS):
        with context:
            context.command.invoke(context)
        assert len(begun) == 1


def test_a_misspelt_option_is_told():
    with pytest.raises(Exception, match="No such option"):
        read(["search", "chain", "--wrokers", "2"])
