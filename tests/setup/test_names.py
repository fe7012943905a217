"""Names that become folders and lines."""

import pytest

from nas.errors import UsageError
from nas.setup import resolve
from nas.setup.names import check_name, plain_name

PATHS = ["../up", "..", ".", ".hidden", "/absolute", "a/b", "a\\b", "C:", "-x", " a", "a "]
WRONG = [*PATHS, "a\nb", "a\x1b[2J", "a\u202eb", "a\u200bb", "a\x7f", "a\x00", "\ud800"]


@pytest.mark.parametrize("name", ["first", "first-try_2.1", "my run", "größe", "模型", "a" * 100])
def test_names_that_show_what_they_are(name: str) -> None:
    assert check_name(name, "--name") == name


@pytest.mark.parametrize("name", WRONG)
def test_names_that_lead_elsewhere_or_hide_something(name: str) -> None:
    with pytest.raises(UsageError, match=r"--name is .*, expected letters") as caught:
        check_name(name, "--name")
    assert str(caught.value).isprintable()
    assert not set(plain_name(name)) & set("/\\\n\x1b\u202e")


def test_names_of_no_length_and_of_too_much() -> None:
    for name, problem in (("", "is empty"), ("a" * 101, "has 101 characters"), ("ä" * 51, "has 51 characters")):
        with pytest.raises(UsageError, match=problem):
            check_name(name, "--name")


def test_a_study_has_such_a_name() -> None:
    assert resolve({"study": "first"}, "test").study == "first"
    with pytest.raises(UsageError, match=r"study is 'a\\nb', .*expected letters"):
        resolve({"study": "a\nb"}, "test")
