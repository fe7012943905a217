"""Labelled images in three splits, ready on the device: ``load`` is the way in."""

from nas.data.augment import Augment
from nas.data.images import ImageData, Split
from nas.data.sources import available, load

__all__ = ["Augment", "ImageData", "Split", "available", "load"]
