"""Packages that import what they re-export when somebody first asks for it, so that importing them costs nothing."""

import ast
import importlib
import inspect
import sys
from typing import Any

__all__ = ["lazy"]


def lazy(package: str) -> None:
    """Has a package re-export, lazily, what its source imports below ``if TYPE_CHECKING:``.

    There the names stand once, where type checkers and editors read them too. ``__init__.py`` calls it last, with
    ``__name__``. What is re-exported needs another name than a submodule that it is not: importing that would hide it.
    """
    module = sys.modules[package]
    blocks = [each.body for each in ast.parse(inspect.getsource(module)).body if isinstance(each, ast.If)]
    imports = [each for block in blocks for each in block if isinstance(each, ast.ImportFrom)]
    origins = {alias.name: str(each.module) for each in imports for alias in each.names}

    def find(name: str) -> Any:
        if name not in origins:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        if origins[name] == package:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(origins[name]), name)

    names = sorted({*vars(module), *origins})
    vars(module).update(__getattr__=find, __dir__=lambda: names, __all__=list(origins))
