"""Images, text or other inputs in three splits, ready on the device: ``load`` is the way in."""

from nas.data.augment import Augment
from nas.data.images import ImageData, ImageSplit
from nas.data.inputs import InputForm, Inputs
from nas.data.protocols import Data, Split
from nas.data.resolution import IMAGE_SIZE, resized_images
from nas.data.sources import TASKS, available, load, require
from nas.data.task_data import TaskData
from nas.data.text import TextData, TextSplit

__all__ = [
    "IMAGE_SIZE",
    "TASKS",
    "Augment",
    "Data",
    "ImageData",
    "ImageSplit",
    "InputForm",
    "Inputs",
    "Split",
    "TaskData",
    "TextData",
    "TextSplit",
    "available",
    "load",
    "require",
    "resized_images",
]
