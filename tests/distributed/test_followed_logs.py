"""A log that is read from its beginning again is still told once."""

from nas.distributed.jobs import _Printer


def test_every_line_is_told_once_however_it_comes():
    lines: list[str] = []
    printer = _Printer(lines.append)
    printer.more("one\ntw")
    assert lines == ["one"]
    printer.more("o\nthr")
    printer.rewind()
    printer.more("one\n")
    printer.more("two\nthree\nfour")
    assert lines == ["one", "two", "three"]
    printer.all_of("one\ntwo\nthree\nfour")
    printer.all_of("one\ntwo\nthree\nfour")
    assert lines == ["one", "two", "three", "four"]
