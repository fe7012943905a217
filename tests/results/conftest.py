"""Files of a benchmark, imported by their names for the tests of it alone."""

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def part(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Imports a file of the module's ``FOLDER`` by its name; none of them is there for other tests."""
    before, folder = {*sys.modules}, str(request.module.FOLDER)
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(folder)
        for name in {*sys.modules} - before:
            if folder in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
