"""A PostgreSQL server of the tests alone: a private cluster in a temporary folder, on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["Server", "postgres_server"]

PASSWORD = "not secret"
_SECONDS = 60


class Server:
    """Where it is, and its switch.

    Attributes:
        url: of the database, with the password.
        port: on 127.0.0.1.
    """

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/postgres"
        self._programs, self._data, self._user = programs, folder / "data", user
        (folder / "password").write_text(PASSWORD)
        self._run("initdb", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "-N")

    def start(self) -> None:
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=50"
        log = self._data.parent / "log"
        self._run("pg_ctl", "start", "-w", f"-t{_SECONDS}", f"-l{log}", "-o", settings)

    def stop(self) -> None:
        """Ends it at once, with all its connections."""
        self._run("pg_ctl", "stop", "-w", f"-t{_SECONDS}", "-m", "fast")

    def empty(self) -> None:
        """Drops everything in the database."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url.replace("postgresql:", "postgresql+psycopg2:"))
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("drop schema public cascade; create schema public"))
        engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        # The server outlives pg_ctl, so its output must be no pipe that somebody waits for.
        with tempfile.TemporaryFile() as output:
            ended = subprocess.run(
                [self._programs / program, "-D", self._data, *arguments],
                cwd=self._data.parent,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=2 * _SECONDS,
                check=False,
            )
            output.seek(0)
            assert ended.returncode == 0, output.read().decode()


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A running server; skips the test where PostgreSQL is not installed, and ends the server in any case."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
    user = _unprivileged() if os.geteuid() == 0 else None  # the server refuses to run as root
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = Server(programs, folder, user)
        server.start()
        try:
            yield server
        finally:
            with suppress(AssertionError):  # a test may have stopped it
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of the newest ones; Debian keeps them off the search path."""
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    debian = sorted((folder for folder in installed if folder.parent.name.isdigit()), key=lambda f: int(f.parent.name))
    on_path = shutil.which("pg_ctl")
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *reversed(debian)]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
