"""The database of the ledger: connections, locks, retries, and its errors as one sentence."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nas.errors import UsageError, did_you_mean
from nas.search.database_url import without_password

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

__all__ = ["Storage"]

_T = TypeVar("_T")

_CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())",
    "mysql": "unix_timestamp(now(6))",
    "mariadb": "unix_timestamp(now(6))",
}
_LIBPQ = {"postgresql+psycopg2", "postgresql+psycopg"}
_DAMAGED = re.compile(r"not a database|malformed|Could not decode|no such (table|column)|no column named|disk image")
"""Errors of SQLite about a file that is no database, or a damaged one."""
_LOCK_SECONDS = 120
_FIRST_PAUSE = 0.5

logger = logging.getLogger(__name__)


class Storage:
    """An SQLite file, or another database, with named locks between all processes that use it.

    SQLite runs with a write-ahead log, so that processes can read while one writes; its lock is a hidden file beside
    it. In other databases a lock is a row held in a transaction, which the server ends when the connection ends.

    Args:
        place: path of an SQLite file, or a database URL of SQLAlchemy.
        retry_seconds: for how long to try to open a lost connection again.

    Attributes:
        name: the place without a password.
        engine: of SQLAlchemy, for tables beside those of Optuna.

    Raises:
        UsageError: an invalid database URL, an unknown database, a driver that is not installed, or a missing folder.
    """

    def __init__(self, place: Path | str, retry_seconds: float = 30.0) -> None:
        import sqlalchemy

        self.name = without_password(str(place))
        self._retry_seconds = retry_seconds
        self._file: Path | None = None
        with self.explained():
            url = _parsed(place)
            self._url = url.render_as_string(hide_password=False)
            self._dialect = url.get_backend_name()
            if self._dialect == "sqlite":
                self._options: dict[str, Any] = {"connect_args": {"timeout": 60}}
            else:
                self._options = {"pool_pre_ping": True, "connect_args": _libpq_settings(url)}
            self._file = _sqlite_file(url)
            self.engine = self._prepared(sqlalchemy.create_engine(url, **self._options))
        self._locks = sqlalchemy.Table(
            "nas_locks", sqlalchemy.MetaData(), sqlalchemy.Column("name", sqlalchemy.String(512), primary_key=True)
        )

    def open_optuna(self) -> "optuna.storages.RDBStorage":
        """Optuna's tables, which are created if they are missing; to be called under a lock."""
        from optuna.storages import RDBStorage

        opened = RDBStorage(self._url.replace("{", "{{").replace("}", "}}"), engine_kwargs=dict(self._options))
        self._prepared(opened.engine).dispose()
        return opened

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()

    def create_lock(self, name: str) -> None:
        """Creates a lock, unless another process has, which may do so at the same time."""
        import sqlalchemy

        if self._dialect == "sqlite":
            return
        self.create_table(self._locks)
        try:
            with self.engine.begin() as connection:
                connection.execute(self._locks.insert().values(name=name))
        except sqlalchemy.exc.IntegrityError:
            logger.debug("lock '%s' exists", name)

    def create_table(self, table: "sqlalchemy.Table") -> None:
        """Creates a table if it is missing."""
        import sqlalchemy

        try:
            table.create(self.engine, checkfirst=True)
        except sqlalchemy.exc.DBAPIError:
            if not sqlalchemy.inspect(self.engine).has_table(table.name):
                raise

    @contextmanager
    def locked(self, name: str) -> Iterator[Callable[[], None]]:
        """Holds a lock; yields a check that raises an exception if the lock was lost since."""
        if self._dialect == "sqlite":
            with self._file_lock() if self._file else nullcontext():
                yield lambda: None
            return
        with self.engine.begin() as connection:
            lock = self._locks.select().where(self._locks.c.name == name).with_for_update()

            def confirm() -> None:
                connection.execute(lock)

            confirm()
            yield confirm

    def now(self, connection: "sqlalchemy.Connection") -> float:
        """Seconds since 1970 by the clock of the database server."""
        import sqlalchemy

        return float(connection.execute(sqlalchemy.text(f"select {_CLOCKS[self._dialect]}")).scalar_one())

    def retried(self, work: Callable[[], _T]) -> _T:
        """Does the work; whenever the connection is lost, pauses and does it again from the start.

        Raises:
            UsageError: the connection could not be opened again in time, or the database refuses the work.
        """
        started, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                with self.explained():
                    return work()
            except UsageError as failure:
                if not self._is_lost_connection(failure.__cause__):
                    raise
                reason = _reason(failure.__cause__)
                left = self._retry_seconds - (time.monotonic() - started)
                if left <= 0:
                    raise UsageError(
                        f"ledger '{self.name}' lost its connection, and could not open it again within "
                        f"{self._retry_seconds:g} s ({reason}); start the database, then go on with `nas resume`."
                    ) from failure
                if pause == _FIRST_PAUSE:
                    logger.warning("ledger '%s' lost its connection (%s); trying again", self.name, reason)
            time.sleep(min(pause, left))
            pause *= 2

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns errors of a database into a UsageError of one sentence, without the password of its URL."""
        import optuna
        import sqlalchemy

        try:
            yield
        except (
            sqlalchemy.exc.SQLAlchemyError,
            optuna.exceptions.StorageInternalError,
            ImportError,
            OSError,
            RuntimeError,
            UnicodeError,
            json.JSONDecodeError,
        ) as error:
            raise UsageError(self._explanation(error)) from error

    def _explanation(self, error: BaseException) -> str:
        import sqlalchemy

        start = f"ledger '{self.name}' cannot be opened"
        if isinstance(error, sqlalchemy.exc.NoSuchModuleError):
            dialect = self.name.partition("://")[0]
            return f"{start}: database '{dialect}' is not known; {did_you_mean(dialect, _CLOCKS)}"
        if isinstance(error, sqlalchemy.exc.ArgumentError):
            return f"{start}: that is no database URL; write it as postgresql://user:password@host:5432/name."
        if isinstance(error, ModuleNotFoundError):
            package = "'nas-supernet[postgresql]'" if error.name == "psycopg2" else error.name
            return f"{start} without the Python package {error.name}; run `pip install {package}`."
        if self._file and (isinstance(error, ValueError) or _DAMAGED.search(_reason(error))):
            return (
                f"ledger '{self.name}' is damaged ({_reason(error)}); delete {self._file} and go on with `nas resume`, "
                "which evaluates its results again."
            )
        return (
            f"{start} or written ({without_password(_reason(error))}); expected an SQLite file in an existing folder "
            "on a disk with free space, or the URL of a running database that this user may use."
        )

    def _is_lost_connection(self, error: BaseException | None) -> bool:
        """Whether the connection broke or was refused, rather than a statement."""
        import sqlalchemy

        while error is not None and not isinstance(error, sqlalchemy.exc.DBAPIError):
            error = error.__cause__
        if error is None or self._dialect == "sqlite":
            return False
        state = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
        broken = isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError)
        return error.connection_invalidated or (
            broken and (state is None or str(state).startswith(("08", "40", "57P")))
        )

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        assert self._file is not None
        file = self._file.with_name(f".{self._file.name}.lock")
        try:
            with FileLock(file).acquire(timeout=_LOCK_SECONDS, poll_interval=0.01):
                yield
        except Timeout:
            raise UsageError(
                f"ledger '{self.name}' has been locked by another process for {_LOCK_SECONDS} s; end or continue "
                "that process, then go on with `nas resume`."
            ) from None

    def _prepared(self, engine: "sqlalchemy.Engine") -> "sqlalchemy.Engine":
        import sqlalchemy

        if self._dialect == "sqlite":
            sqlalchemy.event.listen(engine, "connect", _write_ahead)
        return engine


def _write_ahead(connection: Any, _record: Any) -> None:
    """Lets processes read while one writes, and synchronises at each checkpoint instead of each commit."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _parsed(place: Path | str) -> "sqlalchemy.URL":
    """The URL; for PostgreSQL with the driver of our extra, unless it names another."""
    import sqlalchemy

    if "://" not in str(place):
        return sqlalchemy.URL.create("sqlite", database=str(Path(place).absolute()))
    try:
        url = sqlalchemy.make_url(str(place))
    except ValueError as error:
        raise sqlalchemy.exc.ArgumentError(str(error)) from error
    if url.get_backend_name() not in _CLOCKS:
        raise sqlalchemy.exc.NoSuchModuleError(url.drivername)
    return url.set(drivername="postgresql+psycopg2") if url.drivername == "postgresql" else url


def _sqlite_file(url: "sqlalchemy.URL") -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    file = Path(str(url.database))
    if not file.parent.is_dir():
        raise FileNotFoundError(f"no folder '{file.parent}'")
    return file


def _libpq_settings(url: "sqlalchemy.URL") -> dict[str, Any]:
    """Options with which client and server notice a lost peer within half a minute, unless the URL sets them."""
    if url.drivername not in _LIBPQ:
        return {}
    server = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 4}
    settings = {
        "connect_timeout": 5,
        **{name.removeprefix("tcp_"): value for name, value in server.items()},
        "options": " ".join(f"-c {name}={value}" for name, value in server.items())
        + f" -c lock_timeout={_LOCK_SECONDS}s",
    }
    return {name: value for name, value in settings.items() if name not in url.query}


def _reason(error: BaseException | None) -> str:
    """The first line of the driver's message."""
    while error is not None and error.__cause__ is not None and not hasattr(error, "orig"):
        error = error.__cause__
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0].strip()
