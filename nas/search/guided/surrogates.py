"""Models that predict objectives from encodings: whatever has ``fit`` and ``predict`` as in scikit-learn."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.parts import Slot, check_options
from nas.search.guided.encodings import Columns

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor

__all__ = ["SURROGATES", "Surrogate", "forest", "gaussian_process", "predicted", "surrogate_maker", "without_warnings"]

Floats = NDArray[np.float64]


class Surrogate(Protocol):
    """Any regressor of scikit-learn, or of that form."""

    def fit(self, X: Columns, y: Floats) -> Any:  # noqa: N803
        """Learns values ``[n]`` of columns ``[n, columns]``."""

    def predict(self, X: Columns) -> Any:  # noqa: N803
        """Values ``[n]``, or a pair of these and their standard deviations."""


SURROGATES: Slot[Callable[..., Surrogate]] = Slot(
    "surrogate",
    "nas.surrogates",
    {
        "ridge": "nas.predictors.linear:LinearPredictor",
        "forest": "nas.search.guided.surrogates:forest",
        "gaussian-process": "nas.search.guided.surrogates:gaussian_process",
        "trees": "nas.predictors.regression:RegressionPredictor",
    },
    callable,
    "a class or function that makes a regressor",
)


def surrogate_maker(name: str, options: Mapping[str, Any]) -> Callable[[int], Surrogate]:
    """(seed) → a surrogate that has learnt nothing; a ``random_state`` that it takes is the seed.

    Raises:
        UsageError: there is no such surrogate, or it has no such option.
    """
    make = SURROGATES[name]
    arguments = check_options(make, options, f"surrogate '{name}'", ["random_state"])
    seeded = "random_state" in inspect.signature(make).parameters

    def made(seed: int) -> Surrogate:
        return make(**arguments, **({"random_state": seed % 2**32} if seeded else {}))

    return made


def predicted(surrogate: Surrogate, columns: Columns) -> tuple[Floats, Floats]:
    """Means ``[n]`` and standard deviations ``[n]``.

    The deviation of a forest is that between its trees. It is zero where the surrogate does not tell it.
    """
    from sklearn.ensemble import BaggingRegressor, ExtraTreesRegressor, RandomForestRegressor

    if isinstance(surrogate, BaggingRegressor | ExtraTreesRegressor | RandomForestRegressor):
        members = np.stack([member.predict(columns) for member in surrogate.estimators_])
        return members.mean(axis=0), members.std(axis=0)
    if "return_std" in inspect.signature(surrogate.predict).parameters:
        return surrogate.predict(columns, return_std=True)  # type: ignore[call-arg, no-any-return]
    values = surrogate.predict(columns)
    return values if isinstance(values, tuple) else (values, np.zeros(len(columns)))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Within it, scikit-learn does not point out that an optimum lies at a bound or that more steps would help."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def forest(*, trees: int = 40, share: float = 1.0, random_state: int = 0) -> "ExtraTreesRegressor":
    """Extremely randomised trees (Geurts et al., 2006), each grown until its leaves are pure.

    Args:
        trees: how many.
        share: of the columns that are tried at each split.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(trees, max_features=share, random_state=random_state)


def gaussian_process(*, random_state: int = 0) -> "GaussianProcessRegressor":
    """A Gaussian process with a Matérn kernel and noise, whose scales are fitted (Snoek et al., 2012)."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(1.0) * Matern(2.0, (0.1, 100.0), nu=2.5) + WhiteKernel(0.1, (1e-4, 1.0))
    return GaussianProcessRegressor(kernel, normalize_y=True, random_state=random_state)
