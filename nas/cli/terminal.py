"""What is written to the terminal: text as text, whatever a file, a folder or a far machine calls itself."""

import unicodedata
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

__all__ = ["TextConsole", "echo", "printable"]

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode that move the cursor, colour, turn around, hide or cannot be encoded."""


def printable(text: str, keep: str = "\n\t") -> str:
    r"""The text with every character that a terminal obeys, or that nobody sees, as its escape.

    >>> printable("cat\x1b[2J\u202e\n")
    'cat\\x1b[2J\\u202e\n'
    """
    if text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape").decode()
        if each not in keep and unicodedata.category(each) in _INVISIBLE
        else each
        for each in text
    )


def echo(text: str, *, err: bool = False) -> None:
    """Prints a line."""
    typer.echo(printable(text), err=err)


class TextConsole(Console):
    """A console that takes strings as they are: no markup, no emoji codes, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)
