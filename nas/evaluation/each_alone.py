"""A user's function of one architecture as an evaluator."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from nas.space import Architecture
    from nas.supernet import Supernet

__all__ = ["EachAlone"]


class EachAlone:
    """Asks a function of one architecture for a number, or for a mapping of metrics to numbers.

    Args:
        name: of the evaluator in messages.
        function: of an architecture.
        metric: what its number is called where it gives one alone.
        supernet: of the run, whose weights workers fill in; None where there is none.
    """

    batch = 1

    def __init__(
        self, name: str, function: Callable[..., Any], metric: str, supernet: "Supernet | None" = None
    ) -> None:
        self._name, self._function, self._metric, self.supernet = name, function, metric, supernet

    def __call__(self, architectures: "Sequence[Architecture]") -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame([self.row(architecture) for architecture in architectures])

    def row(self, architecture: "Architecture") -> dict[str, float]:
        """The metrics of one architecture.

        Raises:
            UsageError: the function fails, or gives something else than numbers.
        """
        who = f"architecture {architecture.id}, {architecture.key}"
        try:
            found = self._function(architecture)
            values = found if isinstance(found, Mapping) else {self._metric: found}
            if values and all(isinstance(value, Real) for value in values.values()):
                return {str(key): float(value) for key, value in values.items()}
        except UsageError:
            raise
        except (Exception, SystemExit) as error:  # a user's code can fail in any way
            message = f"evaluator '{self._name}' fails for {who}: {type(error).__name__}: {error}."
            raise UsageError(message) from error
        raise UsageError(
            f"evaluator '{self._name}' gave {found!r} for {who}; return a number, or a mapping of metrics to numbers."
        )
