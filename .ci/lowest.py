"""Prints pip constraints that allow of everything in pyproject.toml only the lowest version that is declared.

PyTorch is left out: it is declared as a narrow range, and of CPU builds a package index has the newest alone.
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"].values()
for requirement in sorted({*project["dependencies"], *(each for extra in extras for each in extra)}):
    bound = re.match(r"([\w.-]+)(?:\[[^]]*\])?>=([\w.]+)", requirement)
    if bound and bound[1] != "torch":
        print(f"{bound[1]}=={bound[2]}")
