"""The forms in which an exported network reads images."""

from typing import Literal

__all__ = ["InputForm"]

InputForm = Literal["unit", "bytes", "normalised"]
"""Float32 pixels as the data set has them, which is from 0 to 1 where it stores bytes; uint8 pixels from 0 to 255; or
images normalised as in training."""
