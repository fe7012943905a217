"""From one file of plain text to three contiguous splits on a device."""

from pathlib import Path

import numpy as np
import torch

from nas.data.files import folder_of, read_content
from nas.data.text import TextData, TextSplit
from nas.errors import UsageError
from nas.tasks import Language

__all__ = ["read_text", "split_text"]

_EXPECTED = "one file of UTF-8 text: input.txt, input.txt.gz or any .txt"


def split_text(name: str, text: str, length: int, limit: int | None, device: torch.device) -> TextData:
    """The first 80 % of the characters for training, the next 10 % for validation, the last 10 % for the test.

    The splits are contiguous, since random windows would have their neighbours, so half of a sentence, in another
    split. The vocabulary is that of the whole text, so that no split has a character without a token; a network
    learns nothing of the characters that only later splits hold.

    Args:
        name: of the data set.
        text: of any language; every code point is a character, line ends and blanks too.
        length: characters of a window.
        limit: keep at most this many windows of the training text, from its beginning.
        device: where the tokens stay.

    Raises:
        UsageError: if all characters are the same, or a split is too short for two windows, which an interval of their
            mean needs.
    """
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    vocabulary, tokens = np.unique(codes, return_inverse=True)
    if len(vocabulary) < 2:
        raise UsageError(f"The text of data set '{name}' is one character over and over, so there is nothing to learn.")
    kept = torch.from_numpy(tokens.astype(np.uint8 if len(vocabulary) <= 256 else np.int32)).to(device)
    ends = 8 * len(kept) // 10, 9 * len(kept) // 10
    parts = [TextSplit(part, length) for part in kept.tensor_split(ends)]
    for title, part in zip(("training", "validation", "test"), parts, strict=True):
        if len(part) < 2:
            raise UsageError(
                f"The text of data set '{name}' has {len(kept)} characters, and the {len(part.tokens)} of them for "
                f"{title} are too few for two windows of {length}; give a longer text or a smaller length."
            )
    train, validation, test = parts
    if limit is not None:
        train = TextSplit(train.tokens[: limit * length + 1], length)
    return TextData(name, Language(tuple(chr(code) for code in vocabulary)), train, validation, test)


def read_text(data_dir: Path | None) -> str:
    """The text of a file, or of the one text file in a folder; line ends stay as they are.

    Raises:
        UsageError: for a missing file, several of them, broken compression, bytes that are no UTF-8, or an empty file.
    """
    path = data_dir if data_dir is not None and data_dir.is_file() else _find(folder_of("text", data_dir, _EXPECTED))
    content = read_content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"File '{path}' is no UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8, or give another."
        ) from error
    if not text:
        raise UsageError(f"File '{path}' is empty; give a file with text.")
    return text


def _find(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.name.endswith((".txt", ".txt.gz")) and path.is_file())
    usual = [path for path in found if path.name in ("input.txt", "input.txt.gz")][:1]
    if len(usual or found) == 1:
        return (usual or found)[0]
    if not found:
        raise UsageError(f"Folder '{folder}' holds no text; put there {_EXPECTED}, or give another folder.")
    names = ", ".join(path.name for path in found)
    raise UsageError(f"Folder '{folder}' holds several texts: {names}; give one of these files instead of the folder.")
