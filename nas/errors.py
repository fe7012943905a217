"""The one exception that tells a user what to change.

Everything a user can get wrong (a config key, a file, a constraint, a layer's arguments) raises
:class:`UsageError` with one sentence that names the thing, its value, what was expected and what to do.
The command line prints that sentence and exits with code 2; library users see an ordinary ``ValueError``.
"""

import difflib
from collections.abc import Iterable

__all__ = ["UsageError", "did_you_mean"]


class UsageError(ValueError):
    """A mistake the user can fix; its text is one complete sentence."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A closing phrase that points at the nearest known words.

    >>> did_you_mean("mobilnet", ["chain", "mobilenet"])
    "did you mean 'mobilenet'?"
    >>> did_you_mean("xyz", ["chain", "mobilenet"])
    'known are chain, mobilenet.'
    """
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}."
