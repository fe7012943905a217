"""Starting is light: packages import what they re-export when it is asked for, and a refusal imports no PyTorch."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import nas

PACKAGES = ["nas", *(each.name for each in pkgutil.walk_packages(nas.__path__, "nas.") if each.ispkg)]
WITHOUT_TORCH = {
    "help": (["--help"], 0),
    "help of a command": (["search", "--help"], 0),
    **{
        f"list {what}": (["list", what], 0)
        for what in ("spaces", "methods", "evaluators", "strategies", "costs", "predictors", "tasks")
    },
    "unknown command": (["serach"], 2),
    "unknown option": (["search", "--epoch", "3"], 2),
    "unknown space": (["search", "chian"], 2),
    "unknown task": (["search", "--task", "digit"], 2),
    "unknown method": (["search", "--method", "bignass"], 2),
    "unknown evaluator": (["search", "--set", "evaluator=tabel"], 2),
    "unknown strategy": (["search", "--strategy", "evolve"], 2),
    "unknown option of a strategy": (["search", "--set", "strategy_args.size=3"], 2),
    "unknown target": (["search", "--target", "onnxrt"], 2),
    "unknown predictor": (["profile", "--predictor", "linaer"], 2),
    "unknown device": (["search", "--set", "device=gpu"], 2),
    "unknown cost": (["search", "--set", "cost=flop"], 2),
    "unknown key": (["search", "--set", "candidats=3"], 2),
    "wrong type": (["search", "--set", "training.epochs=many"], 2),
    "unreadable constraint": (["search", "--constraint", "be fast"], 2),
    "a space without a model alone": (["search", "no.yaml"], 2),
    "unknown tracker": (["search", "--track", "tensorbord"], 2),
    "missing config": (["search", "--config", "no/such.yaml"], 2),
    "list runs": (["list", "runs"], 0),
    "version": (["--version"], 0),
    "first configuration": (["init", "first.yaml"], 0),
    **{
        f"{command} of no run": ([command, "nothing"], 2)
        for command in ("resume", "retrain", "export", "show", "compare", "report", "watch", "rm")
    },
    "missing table of a ranking": (["rank", "nothing", "--truth", "no.csv", "--column", "a"], 2),
}
ONCE = "from nas.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)"
EACH = """
import json, sys
from nas.cli import main

HEAVY = ("torch", "tensorboard", "mlflow", "wandb", "trackio")
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        print("ended", end.code, any(heavy in sys.modules for heavy in HEAVY))
"""


@pytest.mark.whole
def test_no_torch_is_imported(tmp_path: Path) -> None:
    arguments = json.dumps([arguments for arguments, _ in WITHOUT_TORCH.values()])
    command = [sys.executable, "-c", EACH, arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    ended = [line.removeprefix("ended ") for line in done.stdout.splitlines() if line.startswith("ended ")]
    found = dict(zip(WITHOUT_TORCH, ended, strict=True))
    assert found == {name: f"{code} False" for name, (_, code) in WITHOUT_TORCH.items()}, done.stderr


@pytest.mark.whole
def test_the_shell_completes_without_torch(tmp_path: Path) -> None:
    asked = {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": "nas list me", "COMP_CWORD": "2"}
    words = [sys.executable, "-c", f"import sys\nsys.argv = ['nas']\n{ONCE}"]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["methods", "False"], done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_what_it_says(name: str) -> None:
    package = importlib.import_module(name)
    for exported in getattr(package, "__all__", []):
        assert exported in dir(package)
        found = getattr(package, exported)
        hidden = f"{name}.{exported} is hidden by the submodule of that name"
        assert name == "nas" or not isinstance(found, ModuleType), hidden


@pytest.mark.parametrize("name", PACKAGES)
def test_type_checkers_see_what_a_package_re_exports(name: str) -> None:
    tree = ast.parse(inspect.getsource(importlib.import_module(name)))
    imports = [each for block in tree.body if isinstance(block, ast.If) for each in block.body]
    for alias in (alias for each in imports if isinstance(each, ast.ImportFrom) for alias in each.names):
        assert alias.asname == alias.name, f"write '{alias.name} as {alias.name}', else it is private"
