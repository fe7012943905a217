"""What can be refused of the networks of a run before any of them is trained."""

from collections.abc import Sequence

from nas.costs import StaticCosts
from nas.data import Data
from nas.errors import UsageError
from nas.nn.batch_norms import batch_norms
from nas.setup.config import RunConfig
from nas.space import Architecture
from nas.supernet import Supernet
from nas.training import Recipe

__all__ = ["check_batch_sizes", "check_shapes"]


def check_batch_sizes(config: RunConfig, supernet: Supernet, examples: str) -> None:
    """Refuses batches of one example, whose statistics batch norm cannot take.

    Args:
        examples: what they are called.

    Raises:
        UsageError: there is such a batch.
    """
    sizes = {
        **_passes("training.batch_size", config.training),
        **_passes("retraining.batch_size", config.retraining),
        "evaluation.batch_size": config.evaluation.batch_size,
        "evaluation.calibration_images": config.evaluation.calibration_images,
    }
    for name, size in sizes.items():
        if size < 2 and batch_norms(supernet.modules()):
            raise UsageError(
                f"{name} is {size}, but space '{config.space}' has batch norm; give it 2 or more {examples}."
            )


def check_shapes(config: RunConfig, data: Data, costs: StaticCosts, architectures: Sequence[Architecture]) -> None:
    """Runs architectures on the meta device, and the ends of what is chosen outside the model, so that shapes that do
    not fit show before training.

    Raises:
        UsageError: an architecture cannot read the inputs, or gives other outputs than the task has.
    """
    space, extra = costs.supernet.space, costs.supernet.extra
    outside = [{name: value} for name, values in extra.items() for value in values]
    extremes = (space.complete(each, share) for each in outside for share in (0.0, 1.0))
    for architecture in dict.fromkeys([*architectures, *extremes]):
        try:
            shape = costs.blocks(architecture)[-1].trace.output_shape
        except UsageError as error:
            raise UsageError(
                f"space '{config.space}' does not fit input {data.at(architecture).input_shape}: "
                f"architecture {dict(architecture)} fails: {error}"
            ) from None
        if shape != data.output_shape:
            raise UsageError(
                f"space '{config.space}' gives outputs of shape {list(shape)}, but task '{config.task}' has "
                f"{data.task.outputs(data.output_shape[0])}; return a model whose outputs have shape "
                f"{list(data.output_shape)}."
            )


def _passes(name: str, recipe: Recipe) -> dict[str, int]:
    """How many images go through the network at a time."""
    where = name if recipe.microbatches == 1 else f"{name} in each of {recipe.microbatches} microbatches"
    return {where: recipe.batch_size // recipe.microbatches}
