"""Where data come from: files or functions that are read, and how their splits are made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from nas.data.assembly import assemble
from nas.data.augment import Augment
from nas.data.normalisation import Normalisation
from nas.data.parts import RawData
from nas.data.protocols import Data
from nas.data.text_source import read_text, split_text
from nas.errors import UsageError

__all__ = ["ExampleSource", "Request", "TextSource"]

_WINDOW = 64
"""Characters of a window, unless another length is asked for."""


@dataclass(frozen=True)
class Request:
    """What is asked of a source; see :func:`nas.data.load`."""

    name: str
    folder: Path | None
    seed: int
    image_size: int | None
    device: torch.device
    limit: int | None
    length: int | None
    normalisation: Normalisation | None


@dataclass(frozen=True)
class ExampleSource:
    """Examples one by one, such as images with labels.

    Attributes:
        summary: one line.
        read: folder and size of images → everything that there is.
        crop: border of the random crop as a share of the smaller side of an image.
        flip: whether training mirrors half of the images by default.
    """

    summary: str
    read: Callable[[Path | None, int | None], RawData]
    crop: float = 0.0
    flip: bool = False

    def load(self, asked: Request) -> Data:
        """The splits of what is read.

        Raises:
            UsageError: windows of text are asked for; or as :func:`nas.data.load`.
        """
        if asked.length is not None:
            raise UsageError(
                f"length is {asked.length}, but data set '{asked.name}' holds images; drop it, or give image_size."
            )
        raw = self.read(asked.folder, asked.image_size)
        augment = Augment(crop=round(self.crop * min(raw.shape[1:], default=0)), flip=self.flip)
        return assemble(asked.name, raw, augment, asked.seed, asked.limit, asked.device, asked.normalisation)


@dataclass(frozen=True)
class TextSource:
    """One file of text.

    Attributes:
        summary: one line.
    """

    summary: str

    def load(self, asked: Request) -> Data:
        """Windows of the text.

        Raises:
            UsageError: a size of images is asked for; or as :func:`nas.data.load`.
        """
        if asked.image_size is not None:
            raise UsageError(
                f"image_size is {asked.image_size}, but data set '{asked.name}' has no images; give length instead."
            )
        if asked.normalisation is not None:
            raise UsageError(f"normalisation is given, but data set '{asked.name}' has no images; drop it.")
        return split_text(asked.name, read_text(asked.folder), asked.length or _WINDOW, asked.limit, asked.device)
