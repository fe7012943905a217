"""Names that a user gives: each is one part of a path, of a line on the terminal, of a page."""

from nas.errors import UsageError

__all__ = ["check_name", "is_table", "plain_name"]

_LONGEST = 100
_ENDINGS = (".csv", ".parquet")
_SEPARATE = frozenset('/\\:*?"<>|')


def check_name(name: str, option: str) -> str:
    """The name, if it can be that of a folder everywhere and shows what it is.

    Raises:
        UsageError: it is empty, too long, a path, or holds what cannot be seen.

    >>> check_name("first try", "--name")
    'first try'
    """
    if not name or len(name.encode(errors="replace")) > _LONGEST:
        problem = f"has {len(name)} characters" if name else "is empty"
        raise UsageError(f"{option} {problem}, expected a name of 1 to {_LONGEST}, such as first-try.")
    if name[0] in ".-" or name != name.strip() or not all(map(_is_plain, name)):
        raise UsageError(
            f"{option} is {name!r}, expected letters, digits, '-', '_' and dots, beginning with a letter or a digit, "
            "such as first-try."
        )
    return name


def is_table(target: str) -> bool:
    """Whether a target is a file of measurements, not a runtime."""
    return target.lower().endswith(_ENDINGS)


def plain_name(text: str) -> str:
    """A text as a part of a name.

    >>> plain_name("my.module:tiny"), plain_name("a/b\\n")
    ('my.module-tiny', 'a-b-')
    """
    return "".join(each if _is_plain(each) else "-" for each in text)[: _LONGEST // 3]


def _is_plain(character: str) -> bool:
    return character.isprintable() and character not in _SEPARATE
