"""What is told while a stage goes on: a bar on a terminal, a line for each tenth elsewhere."""

import io
import re

import pytest

from nas.cli.progress import RichProgress
from nas.cli.terminal import TextConsole
from nas.cli.verbosity import set_verbosity

TITLE = "Measuring up to 80 networks on onnxruntime"


def progress(terminal: bool) -> tuple[RichProgress, io.StringIO]:
    out, made = io.StringIO(), RichProgress()
    made.console = TextConsole(file=out, width=80, force_terminal=terminal, color_system=None)
    return made, out


def test_a_bar_fits_the_terminal_and_says_what_its_times_are() -> None:
    made, out = progress(terminal=True)
    with made.task(TITLE, 80) as task:
        task.update(40, "best accuracy 81.94%")
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip("\r") for line in out.getvalue().split("\n")]
    lines = [part for line in lines for part in line.split("\r") if part.strip()]
    assert lines[0] == TITLE and max(map(len, lines)) <= 80
    assert re.search(r"40/80 used 0:00:\d\d left \S+ best accuracy 81\.94%", lines[-1]), lines[-1]


def test_a_bar_ends_where_the_work_ended_and_says_why() -> None:
    made, out = progress(terminal=True)
    with made.task(TITLE, 80) as task:
        task.update(24)
        task.end("the predictor errs no more than measurements repeat")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert "ended after 24: the predictor errs no more than measurements repeat" in text
    assert "24/24" in text.rpartition("used")[0][-20:] and "24/80" not in text.rpartition("used")[0][-20:]


def test_elsewhere_each_tenth_is_a_line_with_the_time_of_day() -> None:
    made, out = progress(terminal=False)
    with made.task(TITLE, 200) as task:
        for done in range(1, 121):
            task.update(done, f"note {done}")
        task.end("no time is left")
    lines = out.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d Measuring up to 80", line) for line in lines)
    told = [line[9:].removeprefix(TITLE) for line in lines]
    assert told[0] == " …" and told[1:7] == [f": {20 * n} of 200, note {20 * n}" for n in range(1, 7)]
    assert told[7:] == [": ended after 120 of 200: no time is left"]


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_tells_nothing(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    set_verbosity(quiet=True)
    try:
        made = RichProgress()
        with made.task(TITLE, 2) as task:
            task.update(2)
            task.end("it is over")
        made.say("A sentence.")
    finally:
        set_verbosity()
    assert capsys.readouterr() == ("", "")
