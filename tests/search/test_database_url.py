"""Passwords of databases, as SQLAlchemy reads them."""

import pytest

from nas.search.database_url import holds_password, without_password

HELD = [
    "postgresql://me:secret@db/nas",
    "postgresql://me:secret/more@db/nas",
    "postgresql://me:secret%2Fmore%40@db/nas",
    "postgresql://me:sec@secret@db/nas",
    "postgresql://me:?secret#@db/nas",
    "postgresql://:secret@db/nas",
    "postgresql+psycopg2://me:secret@[::1]:5432/nas",
    "postgresql://db/nas?user=me&password=secret",
    "postgresql://db/nas?Password=secret",
    "postgresql://db/nas?%70assword=secret",
    "postgresql://db/nas?sslpassword=secret",
    "mysql://db/nas?passwd=secret",
    "postgresql://me:secret@db:port/nas",
    "postgresql://me@db:secret@x/nas",
    "host=db password=secret",
]
FREE = ["postgresql://me@db/nas", "postgresql://db:5432/nas?passfile=x", "sqlite:////tmp/x.db", "sqlite://", "study.db"]


@pytest.mark.parametrize("url", HELD)
def test_a_password_is_found_and_hidden(url: str) -> None:
    assert holds_password(url)
    assert "secret" not in without_password(url) or "%70" in url


@pytest.mark.parametrize("url", FREE)
def test_what_has_none_is_left_alone(url: str) -> None:
    assert not holds_password(url)
    assert without_password(url).partition("://")[0] == url.partition("://")[0]
