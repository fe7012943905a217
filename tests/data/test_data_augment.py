"""The batched augmentation against a slow loop over images that draws the same numbers."""

import pytest
import torch
from torch import Tensor

from nas.data import Augment
from nas.data.seeding import generator
from nas.errors import UsageError


def move_slowly(images: Tensor, crop: int, flip: bool, draws: torch.Generator) -> Tensor:
    batch, _, height, width = images.shape
    tops = torch.randint(0, 2 * crop + 1, (batch, 1), generator=draws).flatten().tolist()
    lefts = torch.randint(0, 2 * crop + 1, (batch, 1), generator=draws).flatten().tolist()
    flips = (torch.rand(batch, 1, generator=draws) < 0.5).flatten().tolist() if flip else [False] * batch
    moved = torch.zeros_like(images)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                row = i + tops[b] - crop
                column = (width - 1 - j if flips[b] else j) + lefts[b] - crop
                if 0 <= row < height and 0 <= column < width:
                    moved[b, :, i, j] = images[b, :, row, column]
    return moved


def erase_slowly(images: Tensor, size: int, draws: torch.Generator) -> Tensor:
    batch, _, height, width = images.shape
    rows = torch.randint(0, height, (batch, 1), generator=draws).flatten().tolist()
    columns = torch.randint(0, width, (batch, 1), generator=draws).flatten().tolist()
    erased = images.clone()
    for b in range(batch):
        top, left = rows[b] - size // 2, columns[b] - size // 2
        erased[b, :, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
    return erased


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(("crop", "flip"), [(0, True), (2, False), (3, True), (9, True)])
def test_move_equals_the_slow_loop(crop: int, flip: bool, dtype: torch.dtype) -> None:
    images = torch.randint(1, 255, (20, 3, 6, 8), generator=generator(1)).to(dtype)
    moved = Augment(crop=crop, flip=flip).move(images, generator(2))
    assert moved.dtype == dtype
    assert torch.equal(moved, move_slowly(images, crop, flip, generator(2)))
    assert not torch.equal(moved, images)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 20])
def test_erase_equals_the_slow_loop(size: int) -> None:
    images = torch.rand(20, 3, 6, 8, generator=generator(3)) + 1
    erased = Augment(cutout=size).erase(images, generator(4))
    assert torch.equal(erased, erase_slowly(images, size, generator(4)))
    assert (erased == 0).any()


def test_flips_and_shifts_cover_their_whole_range() -> None:
    image = torch.zeros(400, 1, 5, 5)
    image[:, 0, 2, 1] = 1
    where = Augment(crop=1, flip=True).move(image, generator(5)).nonzero()[:, 2:].tolist()
    assert {tuple(place) for place in where} == {(r, c) for r in (1, 2, 3) for c in (0, 1, 2, 3, 4)}


def test_no_augmentation_leaves_images_alone() -> None:
    images = torch.rand(4, 1, 5, 5)
    assert Augment().move(images, generator(0)) is images
    assert Augment().erase(images, generator(0)) is images


@pytest.mark.parametrize("field", ["crop", "cutout"])
def test_negative_pixels_are_refused(field: str) -> None:
    with pytest.raises(UsageError, match=f"Augment {field} is -1; give 0"):
        Augment(crop=-1) if field == "crop" else Augment(cutout=-1)
