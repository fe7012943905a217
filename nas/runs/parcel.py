"""A run's folder as text, to come through the log of a job, and back."""

import base64
import hashlib
import io
import os
import re
import shutil
import tarfile
from pathlib import Path

from nas.errors import UsageError
from nas.runs.folder import RunFolder

__all__ = ["pack", "unpack"]

_LARGEST_CHECKPOINTS = 50_000_000
_TRIALS = "retrain"
"""The state of trainings under Ray Tune is pickled, and of no use on another machine; it does not travel."""
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
            if path.is_file() and not path.name.startswith(".") and not stays:
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
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            archive.extractall(temporary, filter=_plain_files)
        temporary.rename(path)
    except tarfile.TarError as error:
        raise UsageError(f"what came for {path} is not the folder of a run ({error}).") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return int(found[2])


def _plain_files(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
    if Path(member.name).parts[:1] == (_TRIALS,):
        return None
    if not member.isreg():
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, destination)
