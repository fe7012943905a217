"""Arguments of elastic modules that cannot be choices."""

from typing import Any

from nas.errors import UsageError
from nas.space import choices_of, expressions_in

__all__ = ["require_fixed"]


def require_fixed(module: str, **arguments: Any) -> None:
    """Refuses (UsageError) choices for arguments that do not follow an architecture."""
    for name, value in arguments.items():
        found = choices_of(*expressions_in([value]))
        if found:
            raise UsageError(
                f"{module} {name} cannot be a choice, but it is {found[0]!r}; "
                "put a module for each candidate into a nas.nn.OneOf."
            )
