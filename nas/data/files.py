"""Finding the files of a data set, with a sentence where they are not."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from nas.errors import UsageError

__all__ = ["find", "folder_of", "read_content"]


def folder_of(source: str, data_dir: Path | None, content: str) -> Path:
    """The folder a source reads.

    Args:
        source: name of the data set.
        data_dir: what the user gave.
        content: what the folder is expected to hold, for the message.

    Raises:
        UsageError: if no folder was given or it is not there.
    """
    if data_dir is None:
        raise UsageError(f"Data set '{source}' needs a folder; give --data-dir (data_dir) with {content}.")
    if not data_dir.is_dir():
        raise UsageError(f"Data folder '{data_dir}' does not exist; give --data-dir (data_dir) with {content}.")
    return data_dir


def find(folders: Sequence[Path], names: Sequence[str]) -> Path:
    """The first file that exists among ``names`` in each of ``folders``.

    Raises:
        UsageError: naming the folder and the files looked for.
    """
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise UsageError(f"Folder '{folders[0]}' has no file {' or '.join(names)}; put it there or give another folder.")


def read_content(path: Path) -> bytes:
    """All bytes of a file, plain or gzipped (told by content, not by name); UsageError for broken compression."""
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise UsageError(f"File '{path}' is a damaged gzip file ({error}); fetch it again.") from error
