"""Whose code failed: a part that a user brings can fail in any way, and a traceback does not say which it is."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from nas.errors import UsageError
from nas.setup.config import RunConfig
from nas.setup.trust import own_parts

__all__ = ["naming_own_parts"]


@contextmanager
def naming_own_parts(config: RunConfig) -> Iterator[None]:
    """Adds a sentence to an exception that says which part of the configuration, named as ``module:object``, failed.

    Where no line of such a part was at work, one of them may have given what nothing can use, so all are named.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if parts := own_parts(config):
            error.add_note(_sentence(error, parts))
        raise


def _sentence(error: BaseException, parts: Mapping[str, str]) -> str:
    modules = {name.partition(":")[0] for name in parts.values()}
    lines = [
        (frame, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") in modules
    ]
    if not lines:
        return f"No line of {_named(parts)} was at work, but see whether each gives what is expected of it."
    frame, number = lines[-1]
    code, module = frame.f_code, frame.f_globals["__name__"]
    there = {key: name for key, name in parts.items() if name.partition(":")[0] == module}
    exactly = {key: name for key, name in there.items() if name.endswith(f":{code.co_qualname.partition('.')[0]}")}
    return f"This is an error of {_named(exactly or there)}, in {code.co_qualname} ({code.co_filename}, line {number})."


def _named(parts: Mapping[str, str]) -> str:
    return " or ".join(f"{key} '{name}'" for key, name in parts.items())
