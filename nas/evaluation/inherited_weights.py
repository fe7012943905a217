"""The evaluator of weight-sharing runs."""

from nas.evaluation.shared_weights import SharedWeights
from nas.problem import Problem

__all__ = ["InheritedWeights"]


class InheritedWeights(SharedWeights):
    """The weights that an architecture inherits from the trained supernet, batch norm recalibrated.

    Args:
        problem: whose supernet is trained; it is put in evaluation mode.
        calibration_images: as of :class:`~nas.evaluation.shared_weights.SharedWeights`.
        batch_size: likewise.
    """

    needs_supernet = True

    def __init__(self, problem: Problem, *, calibration_images: int = 512, batch_size: int = 256) -> None:
        super().__init__(problem.supernet, problem.data, calibration_images, batch_size)
        self.fidelity = (
            f"{len(self.data.validation)} {self.data.examples} of the validation split, calibrated on "
            f"{calibration_images} in batches of {batch_size}"
        )
