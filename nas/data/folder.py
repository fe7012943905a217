"""Image folders: one sub-folder for each class, perhaps below train/, val/ and test/."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nas.data.files import folder_of
from nas.data.parts import RawData, Subset
from nas.errors import UsageError
from nas.tasks import Classification

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_folder"]

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_MOST_PIXELS = 2**20
"""Of an image that decides the size of all."""


def read_folder(data_dir: Path | None, image_size: int | None) -> RawData:
    """A folder of images, all resized bilinearly to ``image_size`` or to the size of the first image.

    Classes are the sub-folders in sorted order; images may lie deeper inside them, as torchvision's ``ImageFolder``
    has it. The images become grey if all of them are grey, else RGB. They are what a viewer shows: turned as their
    EXIF orientation says, and on white where they are transparent. Pixels are decoded only when they are read, so a
    limit saves their memory.

    Raises:
        UsageError: for an empty folder or class, classes that differ between parts, an unreadable image, something that
            is no regular file, or photos of more than a megapixel without ``image_size``.
    """
    top = folder_of("folder", data_dir, "one sub-folder of images for each class")
    layout = _layout(top)
    classes = sorted(path.name for path in _subfolders(layout["train"]))
    listed = {part: _list_images(folder, classes) for part, folder in layout.items()}

    modes = [_mode(path) for images in listed.values() for path, _ in images]
    size = (image_size, image_size) if image_size else _own_size(listed["train"][0][0])
    mode = "L" if all(mode in ("1", "L", "LA") for mode in modes) else "RGB"
    parts = {part: _part(images, size, mode) for part, images in listed.items()}
    shape = (1 if mode == "L" else 3, *size)
    return RawData(
        Classification(classes), shape, torch.uint8, parts["train"], parts.get("validation"), parts.get("test")
    )


def _layout(top: Path) -> dict[str, Path]:
    """The folder of each part; without a train folder everything is for training."""
    if not (top / "train").is_dir():
        return {"train": top}
    names = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
    return {part: top / name for name, part in names.items() if (top / name).is_dir()}


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _list_images(folder: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """(file, label) pairs in sorted order."""
    found = []
    for path in sorted(_subfolders(folder)):
        if path.name not in classes:
            raise UsageError(f"Folder '{path}' is a class that the training images lack; add it there or remove it.")
        files = sorted(_images_below(path))
        if not files:
            raise UsageError(
                f"Class folder '{path}' holds no image ({', '.join(sorted(_SUFFIXES))}); add some or remove it."
            )
        found += [(file, classes.index(path.name)) for file in files]
    if not found:
        raise UsageError(f"Folder '{folder}' has no sub-folders; put the images of each class in one of its own.")
    return found


def _images_below(folder: Path) -> Iterator[Path]:
    """The images in a folder and its sub-folders, each folder once and hidden ones left out."""
    visited = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        visited.add(os.path.realpath(parent))
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and os.path.realpath(Path(parent, name)) not in visited
        ]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() not in _SUFFIXES:
                continue
            if not path.is_file():
                raise UsageError(f"Image '{path}' is no regular file, or a link to nothing; remove it.")
            yield path


def _part(images: Sequence[tuple[Path, int]], size: tuple[int, int], mode: str) -> Subset:
    paths = [path for path, _ in images]
    return Subset(torch.tensor([label for _, label in images]), partial(_read_images, paths, size, mode))


@contextmanager
def _opened(path: Path) -> Iterator["Image"]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            yield image
    except UsageError:
        raise
    except Exception as error:  # a damaged image can fail in any way
        raise UsageError(f"Image '{path}' cannot be read ({error}); repair or remove it.") from error


def _mode(path: Path) -> str:
    """The mode of an image, without decoding it."""
    with _opened(path) as image:
        if image.mode.startswith(("I", "F")):
            raise UsageError(f"Image '{path}' has pixels of mode {image.mode}; convert it to 8 bits a channel.")
        return image.mode


def _own_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image as it is shown."""
    from PIL.ImageOps import exif_transpose

    with _opened(path) as image:
        if image.height * image.width > _MOST_PIXELS:
            raise UsageError(
                f"Image '{path}' has {image.height}x{image.width} pixels, and all images would be trained on at that "
                "size; give --image-size (image_size), such as 224."
            )
        upright = exif_transpose(image)
        return upright.height, upright.width


def _read_images(paths: Sequence[Path], size: tuple[int, int], mode: str, positions: Tensor) -> Tensor:
    """Images [n, C, H, W] uint8 of the files at ``positions``, decoded by a few threads."""
    images = torch.empty((len(positions), 1 if mode == "L" else 3, *size), dtype=torch.uint8)

    def fill(slot: int, position: int) -> None:
        images[slot] = _decode(paths[position], size, mode)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(positions)), positions.tolist()):
            pass
    return images


def _decode(path: Path, size: tuple[int, int], mode: str) -> Tensor:
    from PIL.Image import Resampling
    from PIL.ImageOps import exif_transpose

    with _opened(path) as image:
        image.draft(mode, (max(size), max(size)))  # a large JPEG is decoded at a fraction of its size
        shown = _on_white(exif_transpose(image)).convert(mode)
        pixels = np.array(shown.resize((size[1], size[0]), Resampling.BILINEAR))
    return torch.from_numpy(pixels.reshape(*size, -1)).permute(2, 0, 1)


def _on_white(image: "Image") -> "Image":
    """An image without transparency: what shows through is white."""
    from PIL import Image

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    above = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
