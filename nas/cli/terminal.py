"""What is written to the terminal: text as text, whatever a file, a folder or a far machine calls itself."""

import textwrap
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from nas.wording import printable

__all__ = ["TextConsole", "echo"]


def echo(text: str, *, err: bool = False) -> None:
    """Prints a line."""
    typer.echo(printable(text), err=err)


class TextConsole(Console):
    """As wide as the terminal or COLUMNS say, else 80 characters; strings are taken as they are.

    There is no markup and no emoji code in them, and a control character is shown as its escape.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def say(self, sentence: str, *, indent: int = 0, style: str | None = None) -> None:
        """Prints a sentence, wrapped between words alone, so that a path or a command stays whole to be copied."""
        margin = " " * indent
        lines = textwrap.wrap(
            printable(sentence), self.width, initial_indent=margin, subsequent_indent=margin,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        self.print("\n".join(lines), style=style, highlight=False, soft_wrap=True)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)
