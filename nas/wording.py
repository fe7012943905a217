"""Words that sentences of every layer are made of."""

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "network"), counted(1200, "random draw")
    ('1 network', '1,200 random draws')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
