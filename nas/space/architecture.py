"""One member of a space."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from nas.errors import UsageError

__all__ = ["Architecture"]


class Architecture(Mapping[str, Any]):
    """Which candidate each active choice takes; immutable and hashable.

    Only active choices are held: a choice inside a block that is not there has no value. Two architectures are
    equal exactly when they give the same candidate to every active choice. Make one with
    :meth:`nas.space.Space.architecture`, which checks the values and leaves inactive choices out.

    >>> a = Architecture({"depth": 2, "kernel": 3})
    >>> a == Architecture({"kernel": 3, "depth": 2}), a["depth"]
    (True, 2)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @cached_property
    def key(self) -> str:
        """Canonical JSON: sorted names, no spaces; equal for equal architectures."""
        return json.dumps(self._values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @cached_property
    def id(self) -> str:
        """Ten hexadecimal digits to name it in tables."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:10]

    def to_json(self) -> str:
        return self.key

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """The architecture that :meth:`to_json` wrote; check it with :meth:`nas.space.Space.architecture`.

        Raises:
            UsageError: the text is not a JSON object.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"architecture {text[:80]!r} is not JSON ({error}); expected an object of choices."
            ) from None
        if not isinstance(values, dict):
            raise UsageError(f"architecture {text[:80]!r} is not a JSON object that maps choice names to candidates.")
        return cls(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Architecture) else NotImplemented

    def __repr__(self) -> str:
        return f"Architecture({self._values})"
