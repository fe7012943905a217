"""What is imported is declared in pyproject.toml, and what is declared is used."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces")
EXTRAS = {
    "nas/distributed/jobs.py": ("cluster",),
    "nas/hardware/energy.py": ("energy",),
    "nas/evaluation/nni_trial.py": ("nni",),
    "nas/models/nni_": ("nni",),
    "nas/search/nni_tuner.py": ("nni",),
    "nas/setup/trackers.py": ("mlflow", "wandb", "trackio"),
    "nas/testing/": ("test",),
}
"""Files and folders that say what to install where an import of theirs is missing, and the extras that bring it."""
DISTRIBUTIONS = {"pynvml": "nvidia-ml-py", "mlflow": "mlflow-skinny", "wandb": "wandb", "trackio": "trackio"}
"""Of modules that the tests do without."""
UNSEEN = {"onnxscript": "torch.onnx imports it"}
"""Declared for another reason than an import."""


def normal(name: str) -> str:
    """The name of a distribution as indexes compare it, without versions and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", name, maxsplit=1)[0]).lower()


def declared() -> tuple[set[str], dict[str, set[str]]]:
    """The distributions that always come, and those of each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {extra: set(map(normal, names)) for extra, names in project["optional-dependencies"].items()}
    return set(map(normal, project["dependencies"])), extras


def imported() -> Iterator[tuple[str, str]]:
    """(file, top module) of every import of another's module, also of ``import_module("name")``."""
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(name), level=0):
                    names = [name]
                case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name))]):
                    names = [name]
                case _:
                    names = []
            for top in {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, *PACKAGES}:
                yield str(path.relative_to(ROOT)), top


def test_what_is_imported_is_declared():
    core, extras = declared()
    installed = packages_distributions()
    for file, module in imported():
        brought = {DISTRIBUTIONS[module]} if module in DISTRIBUTIONS else set(map(normal, installed.get(module, [])))
        assert brought, f"{file} imports {module}, which is not installed"
        allowed = core.union(
            *(extras[each] for place, named in EXTRAS.items() if file.startswith(place) for each in named)
        )
        assert brought & allowed, f"{file} imports {module}, of which pyproject.toml declares none of {brought}"


def test_what_is_declared_is_imported():
    core, _ = declared()
    installed = packages_distributions()
    used = {normal(name) for _, module in imported() for name in installed.get(module, [])}
    assert core - used - UNSEEN.keys() == set()


def test_everything_has_a_lowest_version_that_can_be_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in [
        *project["dependencies"],
        *(each for names in project["optional-dependencies"].values() for each in names),
    ]:
        assert re.search(r">=|==", name) or normal(name) == "nas-supernet", f"{name} has no lower bound"
