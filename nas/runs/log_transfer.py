"""A run's folder as text, to come through the log of a job, and back."""

import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from nas.errors import UsageError
from nas.setup.folder import RunFolder

__all__ = ["pack", "unpack"]

_LARGEST_CHECKPOINTS = 50_000_000
_TRIALS = "retrain"
"""The state of trainings under Ray Tune is pickled, and of no use on another machine; it does not travel."""
_LEAST_ROOM, _MOST_PACKED = 2**30, 50
"""Bytes that any archive may unpack to, and how many times its own size a larger one may."""
_LARGEST_HEADER, _LONGEST_NAME = 2**20, 200
_SHAPE = re.compile(r"^begin parcel ([0-9a-f]{64}) (\d+)\n([A-Za-z0-9+/=\n]*)^end parcel$", re.MULTILINE)


def pack(folder: RunFolder, checkpoints: bool = False) -> str:
    """The files of a run that is complete, compressed, as lines of text with a digest.

    Args:
        folder: of the run.
        checkpoints: take them whatever their size; otherwise only if they have at most 50 MB together.

    Raises:
        UsageError: there is no such run, or it is not complete.
    """
    folder.read_config()
    if not folder.is_complete:
        raise UsageError(f"run '{folder.name}' is not complete; submit it again under its name to go on with it.")
    weights = folder.supernet.parent
    size = sum(path.stat().st_size for path in weights.rglob("*") if path.is_file())
    left_out = 0 if checkpoints or size <= _LARGEST_CHECKPOINTS else size
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.path.rglob("*")):
            stays = (left_out and path.is_relative_to(weights)) or path.is_relative_to(folder.retraining)
            if path.is_file() and not path.is_symlink() and not path.name.startswith(".") and not stays:
                archive.add(path, str(path.relative_to(folder.path)), recursive=False)
    content = buffer.getvalue()
    lines = base64.encodebytes(content).decode()
    return f"begin parcel {hashlib.sha256(content).hexdigest()} {left_out}\n{lines}end parcel"


def unpack(text: str, path: Path) -> int:
    """Makes the folder that a text holds, whole or not at all; other lines around it do no harm.

    Args:
        text: with what :func:`pack` gave in it.
        path: of the folder, which must not exist.

    Returns:
        Bytes of checkpoints that were left out.

    Raises:
        UsageError: there is no such thing in the text, it is damaged, or it holds anything but plain files within.
    """
    found = _SHAPE.search(text)
    content = base64.b64decode(found[3]) if found else b""
    if not found or hashlib.sha256(content).hexdigest() != found[1]:
        raise UsageError(f"what came for {path} is damaged; fetch it again.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=_Bounded(content), mode="r:") as archive:
            archive.extractall(temporary, filter=_plain_files)
        temporary.rename(path)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"what came for {path} is not the folder of a run ({error}).") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return int(found[2])


class _Bounded(gzip.GzipFile):
    """Unpacks as a file that is refused where it, or a header in it, is longer than it may be."""

    def __init__(self, content: bytes) -> None:
        super().__init__(fileobj=io.BytesIO(content))
        self._most = max(_LEAST_ROOM, _MOST_PACKED * len(content))

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_HEADER:
            raise tarfile.ReadError(f"a name in it has {size} bytes")
        self._check(self.tell() + size)
        return super().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check(offset)
        return super().seek(offset, whence)

    def _check(self, position: int) -> None:
        if position > self._most:
            raise tarfile.ReadError(f"it unpacks to more than {self._most:,} bytes")


def _plain_files(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not member.name.isprintable() or len(member.name) > _LONGEST_NAME:
        raise tarfile.ReadError(f"a name in it is {member.name[:_LONGEST_NAME]!r}")
    if path.parts and path.parts[0].casefold() == _TRIALS:  # a disk may not tell Retrain from retrain
        return None
    if not member.isreg() or member.issparse():
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, destination)
