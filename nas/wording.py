"""Words that sentences of every layer are made of."""

import unicodedata

__all__ = ["counted", "printable"]

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode that move the cursor, colour, turn around, hide or cannot be encoded."""


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "network"), counted(1200, "random draw")
    ('1 network', '1,200 random draws')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
