"""What predictors have in common: what they learnt, and files of it, which may be missing, damaged or of others."""

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar
from zipfile import BadZipFile

from nas.errors import UsageError
from nas.files import write_file
from nas.predictors.samples import PredictionErrors

__all__ = ["Learning", "SavedAsJson", "check_guard", "reading"]

_DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, RuntimeError, BadZipFile, zlib.error)


class _Fit(Protocol):
    @property
    def errors(self) -> PredictionErrors: ...


Fit = TypeVar("Fit", bound=_Fit)


class Learning(Generic[Fit]):
    """A predictor that knows nothing before `fit`; to be extended.

    Attributes:
        called: what it is in sentences.
    """

    called: ClassVar[str]
    _fit: Fit | None = None

    @property
    def errors(self) -> PredictionErrors:
        """The errors of the samples of `fit`, each predicted by a model that has not seen it."""
        return self._fitted().errors

    def _fitted(self) -> Fit:
        if self._fit is None:
            raise UsageError(f"The {self.called} has not learnt anything yet; call fit() first.")
        return self._fit


class SavedAsJson(Learning[Fit]):
    """A predictor whose file is text; to be extended by what is written, and how it is made of that again."""

    def save(self, path: str | Path, guard: Mapping[str, str]) -> None:
        """Write the predictor as JSON, with the names of what it was fitted for (space, target, input shape)."""
        write_file(path, json.dumps({"guard": dict(guard), **self._content()}))

    @classmethod
    def load(cls, path: str | Path, guard: Mapping[str, str]) -> Self:
        """Read what `save` wrote.

        Raises UsageError if the file is damaged, or if it was saved with another `guard`.
        """
        with reading(path, cls.called):
            content = json.loads(Path(path).read_text())
            saved, predictor = dict(content["guard"]), cls._from(content)
        check_guard(path, saved, guard)
        return predictor

    def _content(self) -> dict[str, Any]:
        raise TypeError(f"{type(self).__name__} must define _content()")

    @classmethod
    def _from(cls, content: Mapping[str, Any]) -> Self:
        raise TypeError(f"{cls.__name__} must define _from()")


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turns what goes wrong inside while a file is read into a UsageError that says ``what`` it should be."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; fit a predictor and save it there first.") from error
    except _DAMAGE as error:
        raise UsageError(f"{path} is no saved {what} ({error}); fit the predictor again.") from error


def check_guard(path: str | Path, saved: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """UsageError if a predictor was saved for another space, target or input shape than is wanted."""
    for key in sorted(saved.keys() | wanted.keys()):
        if saved.get(key) != wanted.get(key):
            raise UsageError(
                f"{path} was fitted for {key} {saved.get(key)!r}, but {wanted.get(key)!r} is wanted; "
                "fit a predictor for it."
            )
