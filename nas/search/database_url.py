"""Passwords in database URLs, which are never shown."""

import re
from urllib.parse import unquote

__all__ = ["holds_password", "without_password"]

_SECRET = r"(?:password|passwd|passphrase|pwd)"
_IN_URL = re.compile(r"://.*@")
_IN_QUERY = re.compile(rf"(\w*{_SECRET}\w*\s*=)[^&\s'\"]*", re.IGNORECASE)


def holds_password(place: str) -> bool:
    """Whether a database URL, a file or a driver's connection string has a password in it.

    >>> [holds_password(f"postgresql://{each}") for each in ("me@db/x", "me:p/w@db/x", "db/x?%70assword=p", "@:@")]
    [False, True, True, True]
    """
    import sqlalchemy

    if "://" not in place:
        return _IN_QUERY.search(place) is not None
    try:
        url = sqlalchemy.make_url(place)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return "@" in place
    named = any(re.search(_SECRET, unquote(key), re.IGNORECASE) for key in url.query)
    return url.password is not None or named or "@" in (url.host or "")


def without_password(text: str) -> str:
    """The text with the credentials of URLs, and the values of options that are named like a password, replaced.

    >>> without_password("postgresql://me:p/w@db/x?sslpassword=p"), without_password("open http://head:8265")
    ('postgresql://***@db/x?sslpassword=***', 'open http://head:8265')
    """
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub("://***@", text))
