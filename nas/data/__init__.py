"""Images, text or other inputs in three splits, ready on the device: ``load`` is the way in."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.data.augment import Augment as Augment
    from nas.data.image_size import IMAGE_SIZE as IMAGE_SIZE
    from nas.data.images import ImageData as ImageData, ImageSplit as ImageSplit
    from nas.data.input_form import InputForm as InputForm
    from nas.data.inputs import Inputs as Inputs
    from nas.data.normalisation import Normalisation as Normalisation
    from nas.data.protocols import Data as Data, Split as Split
    from nas.data.resolution import resized_images as resized_images
    from nas.data.sources import load as load
    from nas.data.task_data import TaskData as TaskData
    from nas.data.tasks import TASKS as TASKS, available as available
    from nas.data.text import TextData as TextData, TextSplit as TextSplit

lazy(__name__)
