"""What every kind of predictor offers, and the kinds by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from nas.parts import Slot

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nas.predictors.samples import Array, PredictionErrors

__all__ = ["PREDICTORS", "Predictor"]


class Predictor(Protocol):
    """Encodings ``[n, d]`` → numbers; what every kind of predictor offers."""

    @property
    def errors(self) -> "PredictionErrors":
        """The errors of the samples of `fit`, each predicted by a model that has not seen it."""

    def fit(self, X: "ArrayLike", y: "ArrayLike") -> Self:  # noqa: N803
        """Learn from encodings ``[n, d]`` and values ``[n]``."""

    def predict(self, X: "ArrayLike") -> "tuple[Array, Array]":  # noqa: N803
        """Mean ``[n]`` and spread ``[n]`` (one standard deviation)."""

    def save(self, path: str | Path, guard: Mapping[str, str]) -> None:
        """Write the predictor with the names of what it was fitted for."""

    @classmethod
    def load(cls, path: str | Path, guard: Mapping[str, str]) -> Self:
        """Read what `save` wrote for the same `guard`."""


PREDICTORS: Slot[type[Predictor]] = Slot(
    "predictor",
    "nas.predictors",
    {
        "linear": "nas.predictors.linear:LinearPredictor",
        "lookup": "nas.predictors.lookup:LookupPredictor",
        "regression": "nas.predictors.regression:RegressionPredictor",
        "transfer": "nas.predictors.transfer:TransferPredictor",
    },
    lambda part: isinstance(part, type) and all(hasattr(part, name) for name in ("fit", "predict", "save", "load")),
    "a class with fit, predict, save and load, as nas.predictors.Predictor",
)
