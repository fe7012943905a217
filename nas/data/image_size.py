"""The name of a choice outside the model, which tables of results may tell of too."""

__all__ = ["IMAGE_SIZE"]

IMAGE_SIZE = "image_size"
"""The choice: height and width of the images that a network reads."""
