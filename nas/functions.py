"""A user's own function, named as ``package.module:function``."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from nas.errors import UsageError

__all__ = ["import_function"]


def import_function(name: str, role: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names; errors inside the user's module are not hidden.

    The current folder is searched too, after everything that is installed, so that no file in it takes the place of
    another module; and from then on, since the module may import its neighbours later.

    Args:
        name: dotted module and attribute.
        role: what the name stands for, such as "space", for the error message.

    Raises:
        UsageError: the name is of another form, or there is no such module or function.

    >>> import_function("json:dumps", "space")([1])
    '[1]'
    """
    module_name, _, attribute = name.partition(":")
    if not all(word.isidentifier() for word in (*module_name.split("."), attribute)):
        raise UsageError(f"{role} '{name}' is no package.module:function; write it like 'my.module:function'.")
    if "" not in sys.path:
        sys.path.append("")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"{role} '{name}' names no importable module '{module_name}'; install it or put its folder on PYTHONPATH."
        ) from error
    function = getattr(module, attribute, None)
    if not callable(function):
        file = getattr(module, "__file__", None) or "built in"
        raise UsageError(
            f"{role} '{name}' is not there: module '{module_name}' has no function '{attribute}' (it is {file}; "
            "rename a file of yours that is called like an installed module)."
        )
    return function  # type: ignore[no-any-return]
