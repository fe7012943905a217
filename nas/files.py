"""Files that are there whole or not at all."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["append_line", "keep_secret", "whole_file", "write_file"]


def write_file(path: str | Path, content: str | bytes) -> Path:
    """Writes a file under a temporary name in the same folder, then renames it, creating the folder if needed.

    Whoever looks, and whatever is killed, sees the old content or the new, never a part.

    Raises:
        OSError: the folder cannot be written, the disk is full or the path is a folder; the old file is still there.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


@contextmanager
def whole_file(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to fill piece by piece, which gets its name when all is written; it need not fit in memory.

    Raises:
        OSError: as :func:`write_file`, from opening, writing or naming it; the old file is still there.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        name = path if error.filename in (None, str(temporary)) else error.filename
        raise OSError(error.errno, error.strerror, str(name)) from error
    finally:
        temporary.unlink(missing_ok=True)


def keep_secret(path: Path, make: Callable[[], bytes]) -> Path:
    """A file that is made once, for its user alone; of several processes that make it, all take that of the first.

    Args:
        path: of the file; it and its folder are made if needed, and one that is there stays as it is.
        make: gives the content.

    Raises:
        OSError: it cannot be made; then there is none.
    """
    if path.exists():
        return path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch(mode=0o600)
        temporary.chmod(0o600)
        with temporary.open("wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def append_line(path: str | Path, line: str) -> None:
    """Adds a line to a file, creating it and its folder if needed; the line is on the disk when this returns.

    A last line without its end, which a kill in the middle of this left, is cut off.

    Raises:
        OSError: the file cannot be written or the disk is full; the file is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = _cut_torn_line(path) if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if path.exists():
            os.truncate(path, size)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _cut_torn_line(path: Path) -> int:
    """Cuts off a last line without its end; gives the bytes that are left."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
            file.seek(0)
            size = file.truncate(file.read().rfind(b"\n") + 1)
    return size
