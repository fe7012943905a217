"""A predictor together with its encoding: architectures in, numbers with their spread out."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from nas.errors import UsageError
from nas.files import write_file
from nas.predictors.block_table import BlockTable
from nas.predictors.encoding import Batch, Encoding
from nas.predictors.features import Features
from nas.predictors.lookup import LookupPredictor
from nas.predictors.predictor import PREDICTORS, Predictor
from nas.predictors.samples import Array, PredictionErrors, prediction_errors
from nas.predictors.saving import reading
from nas.space import Space
from nas.wording import counted

__all__ = ["ArchitecturePredictor"]

_ROWS = 1 << 16


class ArchitecturePredictor:
    """Predicts a cost of architectures of one space.

    Args:
        kind: a key of :data:`~nas.predictors.PREDICTORS`.
        encoding: what the model sees of an architecture.
        model: an instance of that kind.

    >>> from nas.predictors import LinearPredictor
    >>> space = Space({"kernel": [3, 5], "depth": [1, 2]})
    >>> predictor = ArchitecturePredictor("linear", Encoding(space), LinearPredictor())
    >>> mean, spread = predictor.fit(list(space), [1.0, 2.0, 3.0, 4.0]).predict([space.largest()])
    >>> mean.round(1).tolist()
    [4.0]
    """

    def __init__(self, kind: str, encoding: Encoding, model: Predictor) -> None:
        self.kind, self.encoding, self.model = kind, encoding, model

    def fit(self, batch: Batch, values: ArrayLike) -> "ArchitecturePredictor":
        """Learn from architectures, or an index matrix ``[n, choices]``, and their values ``[n]``.

        Raises UsageError if there are too few samples, or a value is not finite.
        """
        self.model.fit(self.encoding(batch), values)
        return self

    def predict(self, batch: Batch) -> tuple[Array, Array]:
        """Mean ``[n]`` and spread ``[n]`` for architectures or an index matrix; a million take seconds."""
        indices = self.encoding.indices(batch)
        mean, spread = np.empty(len(indices)), np.empty(len(indices))
        for start in range(0, len(indices), _ROWS):
            rows = slice(start, start + _ROWS)
            mean[rows], spread[rows] = self._predicted(indices[rows])
        return mean, spread

    def _predicted(self, indices: npt.NDArray[np.integer]) -> tuple[Array, Array]:
        """What the model says of the rows of an index matrix, which must be a mean and a spread of each."""
        said = self.model.predict(self.encoding(indices))
        arrays = [np.asarray(each) for each in said] if isinstance(said, tuple) else []
        if [each.shape for each in arrays] != [(len(indices),)] * 2 or not np.isfinite(arrays).all():
            raise UsageError(
                f"predictor '{self.kind}' gave no finite mean and spread for each of "
                f"{counted(len(indices), 'network')}; its predict must return two arrays [n]."
            )
        return arrays[0], arrays[1]

    def errors_on(self, batch: Batch, values: ArrayLike) -> PredictionErrors:
        """The errors on architectures that the predictor has not seen."""
        return prediction_errors(np.asarray(values, dtype=np.float64), self.predict(batch)[0])

    def sums(self) -> tuple[BlockTable, float]:
        """A table of one column ``ms`` and a constant, whose sum is the mean: exact expectations under soft gates.

        Raises UsageError for any kind but ``lookup``: others are no sums over blocks.
        """
        table = self.encoding.features
        if not isinstance(self.model, LookupPredictor) or not isinstance(table, BlockTable):
            raise UsageError(
                f"a {self.kind} predictor has no expected latency under soft gates, since it is no sum over blocks; "
                "fit a lookup predictor."
            )
        weights, overhead = self.model.coefficients
        return table.weighted("ms", weights), overhead

    def save(self, folder: str | Path, guard: Mapping[str, str]) -> None:
        """Write ``model`` and ``encoding.npz`` into a folder, with the names of what it was fitted for."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        names = {"kind": np.array(self.kind), "space": np.array(self.encoding.space.to_json())}
        np.savez_compressed(content, allow_pickle=False, **names, **self.encoding.features.state())
        self.model.save(folder / "model", guard)
        write_file(folder / "encoding.npz", content.getvalue())

    @classmethod
    def load(
        cls, folder: str | Path, guard: Mapping[str, str], traced: Features | None = None, own: str | None = None
    ) -> "ArchitecturePredictor":
        """Read what `save` wrote.

        Args:
            folder: the one given to `save`.
            guard: likewise.
            traced: features that come from tracing networks, in case it was fitted to such.
            own: the kind that the user named as ``module:object``; the file, which may be anybody's, names no other so.

        Raises UsageError if a file is missing or damaged, was saved with another `guard`, or needs `traced`.
        """
        path = Path(folder) / "encoding.npz"
        with reading(path, "encoding"):
            content: dict[str, Any] = dict(np.load(io.BytesIO(path.read_bytes()), allow_pickle=False))
            features = _traced(path, content, traced) if "traced" in content else BlockTable.from_state(content)
            encoding = Encoding(Space.from_json(str(content["space"])), features)
            kind = str(content["kind"])
        if ":" in kind and kind != own:
            raise UsageError(
                f"{path} holds a predictor '{kind}', which this would import; name it with profile.predictor if you "
                "trust it."
            )
        try:
            made = PREDICTORS[kind]
        except UsageError as error:
            raise UsageError(f"{path} holds what is no predictor here: {error}") from None
        return cls(kind, encoding, made.load(Path(folder) / "model", guard))


def _traced(path: Path, content: Mapping[str, Any], features: Features | None) -> Features:
    """Those of the traced features that the predictor was fitted to."""
    names = [str(name) for name in content["traced"]]
    missing = [name for name in names if features is None or name not in features.columns]
    if features is None or missing:
        raise UsageError(f"{path} needs '{missing[0]}' of each network, which is not traced here; profile again.")
    return features.part(names)
