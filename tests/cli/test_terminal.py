"""What reaches the terminal: text, whatever anything is called."""

import io
from pathlib import Path

import pytest
from command_line import nas
from rich.console import Console
from rich.table import Table

from nas.cli.progress import RichProgress
from nas.cli.tables import print_listing
from nas.cli.terminal import TextConsole
from nas.wording import printable

NASTY = "\x1b]0;owned\x07\x9b2J\u202etxt.exe\u2066\r\ud800[red]x[/red] :smile:"
SHOWN = "\\x1b]0;owned\\x07\\x9b2J\\u202etxt.exe\\u2066\\r\\ud800[red]x[/red] :smile:"


def test_text_is_text() -> None:
    assert printable(NASTY) == SHOWN
    assert printable("a\tb\nc ± ü 1\u202f000 模") == "a\tb\nc ± ü 1\u202f000 模"
    assert printable("a\nb", keep="") == "a\\nb"


def test_a_console_takes_strings_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    console = TextConsole(file=out, width=300, force_terminal=True, color_system=None)
    table = Table(NASTY, title=NASTY, caption=NASTY)
    table.add_row(NASTY)
    console.print(table)
    console.print(NASTY, highlight=False, soft_wrap=True)
    assert out.getvalue().count(SHOWN) == 5
    assert not set(out.getvalue()) & set("\x07\x9b\u202e\u2066\r\ud800")
    print_listing([{"name": NASTY, "summary": "none"}])
    assert SHOWN in capsys.readouterr().out


def test_progress_shows_titles_and_notes_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    progress = RichProgress()
    progress.console = TextConsole(file=out, width=300, force_terminal=True, color_system=None)
    with progress.task(NASTY, 2) as task:
        task.update(1, NASTY)
    progress.say(NASTY)
    assert out.getvalue().count(SHOWN) >= 3
    assert not set(out.getvalue()) & set("\x07\x9b\u202e\u2066\ud800")


@pytest.mark.parametrize("name", ["../up", "/tmp/x", "a\nb", "a\x1b[2Jb", "x" * 300, ""])
@pytest.mark.parametrize("command", ["search", "profile"])
def test_a_run_has_a_name_that_shows_what_it_is(command: str, name: str, tmp_path: Path) -> None:
    outcome = nas(command, f"--name={name}", "--results", tmp_path / "results")
    assert outcome.code == 2 and outcome.err.startswith("nas: --name ") and outcome.err.count("\n") == 1
    assert outcome.err.rstrip("\n").isprintable() and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["export", NASTY[:-20]], ["search", "--space", "a\nb\x1b"], ["search", "--data", "\u202e"]]
)
def test_a_mistake_is_one_line_of_text(words: list[str], tmp_path: Path) -> None:
    outcome = nas(*words, "--results", tmp_path)
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and outcome.err.rstrip("\n").isprintable()


def test_class_names_are_text(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mcats").mkdir()
    outcome = nas("search", "--data", "folder", "--data-dir", tmp_path, "--results", tmp_path / "results")
    assert outcome.code == 2 and "\\x1b[31mcats" in outcome.err and "\x1b" not in outcome.err


def test_the_console_of_rich_would_not_do() -> None:
    out = io.StringIO()
    Console(file=out, markup=False).print("\x1b[2J")
    assert "\x1b" in out.getvalue(), "then TextConsole may go"
