"""A log that is read from its beginning again is still told once."""

from nas.distributed.jobs import _Told


def test_every_line_is_told_once_however_it_comes():
    lines: list[str] = []
    told = _Told(lines.append)
    told.more("one\ntw")
    assert lines == ["one"]
    told.more("o\nthr")
    told.rewind()
    told.more("one\n")
    told.more("two\nthree\nfour")
    assert lines == ["one", "two", "three"]
    told.all_of("one\ntwo\nthree\nfour")
    told.all_of("one\ntwo\nthree\nfour")
    assert lines == ["one", "two", "three", "four"]
