"""How many small faults in ``nas/search``, ``nas/supernet`` and ``nas/evaluation`` the tests notice.

Each mutant differs from the code in one operator, constant, condition, argument or statement. The tests that run the
changed line (told by coverage, the quick ones first) are run against a copy of the package; a mutant that none of them
fails on, or that no test reaches, survived. Finished mutants are kept in ``mutants.csv``, so a stopped run goes on.

    pip install coverage && python results/benchmarks/mutation/mutate.py --mutants 40
"""

import argparse
import ast
import copy
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FOLDERS = ("search", "supernet", "evaluation")
TABLE = HERE / "mutants.csv"
SLOW_FILES = ("test_postgresql.py",)
PATIENCE_SECONDS = 300

Change = Callable[[ast.AST], None]

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What may be changed at a node: a description, and the change itself."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            new = COMPARISONS[type(operator)]
            yield f"{type(operator).__name__} -> {new.__name__}", lambda n: n.__setattr__("ops", [new()])
        case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
            other = ARITHMETIC[type(operator)]
            yield f"{type(operator).__name__} -> {other.__name__}", lambda n: n.__setattr__("op", other())
        case ast.BoolOp(op=operator):
            joined = ast.Or if isinstance(operator, ast.And) else ast.And
            yield f"{type(operator).__name__} -> {joined.__name__}", lambda n: n.__setattr__("op", joined())
        case ast.If(test=test) | ast.IfExp(test=test):
            yield "condition negated", lambda n: n.__setattr__("test", ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield f"{value} -> {not value}", lambda n: n.__setattr__("value", not value)
        case ast.Constant(value=int(value) | float(value)):
            yield f"{value} -> {value + 1}", lambda n: n.__setattr__("value", value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield f"{name} -> {CALLS[name]}", lambda n: n.func.__setattr__("id", CALLS[name])
        case ast.Expr(value=ast.Call()):
            yield "call left out", lambda n: n.__setattr__("value", ast.Constant(None))
        case ast.Return(value=ast.expr()):
            yield "returns None", lambda n: n.__setattr__("value", ast.Constant(None))


def candidates(folder: str) -> list[tuple[Path, int, int, str]]:
    """File, line, position in the walk and description of every possible mutant of a folder."""
    found = []
    for path in sorted((ROOT / "nas" / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        quoted = {id(inner) for node in ast.walk(tree) for outer in unjudged(node) for inner in ast.walk(outer)}
        for position, node in enumerate(ast.walk(tree)):
            for description, _ in changes(node) if id(node) not in quoted else ():
                found.append((path.relative_to(ROOT), node.lineno, position, description))  # type: ignore[attr-defined]
    return found


def unjudged(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of a node of which no test need think: what sentences say, and what is annotated."""
    match node:
        case ast.JoinedStr() | ast.Raise():
            yield node
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
            yield annotation
        case ast.FunctionDef(returns=ast.expr() as returns):
            yield returns


def mutated(source: str, position: int) -> str:
    """The source with the node at a position of the walk changed."""
    tree = ast.parse(source)
    node = next(node for place, node in enumerate(ast.walk(tree)) if place == position)
    _, change = next(changes(copy.copy(node)))
    change(node)
    return ast.unparse(ast.fix_missing_locations(tree))


def run_tests(copied: Path, arguments: list[str], coverage: bool = False) -> int:
    """The exit status of pytest against the copy; 1 if it does not end in time."""
    command = [sys.executable, "-m", *(["coverage", "run", "-m"] if coverage else []), "pytest"]
    environment = os.environ | {"PYTHONPATH": str(copied), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-q", "-x", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider"]
    try:
        return subprocess.run(
            [*command, *options, *arguments], cwd=copied, env=environment, capture_output=True,
            timeout=None if coverage else PATIENCE_SECONDS, check=False,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1


def tests_by_line(copied: Path, cache: Path) -> dict[tuple[str, int], list[str]]:
    """The tests that run each line, as node ids."""
    if not cache.exists():
        (copied / ".coveragerc").write_text(
            "[run]\ndynamic_context = test_function\nsource = nas\nrelative_files = true\nconcurrency = thread\n"
            f"data_file = {cache}.part\n"
        )
        ignored = [f"--ignore=tests/search/{name}" for name in SLOW_FILES]
        if run_tests(copied, [*ignored, *(f"tests/{folder}" for folder in FOLDERS)], coverage=True):
            raise SystemExit("the tests fail without any change; mend them first.")
        Path(f"{cache}.part").rename(cache)
    from coverage.numbits import numbits_to_nums

    rows = sqlite3.connect(cache).execute(
        "select path, context, numbits from line_bits join file on file.id = file_id join context on context.id = context_id"
    )
    found: dict[tuple[str, int], list[str]] = {}
    for path, context, bits in rows:
        if context:
            for line in numbits_to_nums(bits):
                found.setdefault((path, line), []).append(context)
    return found


def node_ids(contexts: list[str]) -> list[str]:
    """Test functions as ``file::function``, from coverage's ``module.function``."""
    found = []
    for context in dict.fromkeys(contexts):
        module, _, function = context.rpartition(".")
        files = (ROOT / "tests").rglob(f"{module.rpartition('.')[2]}.py")
        found += [f"{path.relative_to(ROOT)}::{function}" for path in files]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=40, help="of each folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", type=Path, default=Path(tempfile.gettempdir()) / "nas-mutation.coverage")
    arguments = parser.parse_args()
    copied = Path(tempfile.mkdtemp(prefix="mutation-"))
    for name in ("nas", "search_spaces", "tests", "pyproject.toml", "README.md"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copied / name)
    lines = tests_by_line(copied, arguments.coverage)
    done = (
        pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["folder", "file", "line", "change", "noticed"])
    )
    for folder in FOLDERS:
        drawn = random.Random(arguments.seed).sample(candidates(folder), arguments.mutants)
        for path, line, position, description in drawn:
            if ((done["file"] == str(path)) & (done["line"] == line) & (done["change"] == description)).any():
                continue
            source = (ROOT / path).read_text()
            tests = node_ids(lines.get((str(path), line), []))
            (copied / path).write_text(mutated(source, position))
            noticed = bool(tests) and run_tests(copied, tests) != 0
            (copied / path).write_text(source)
            row = {"folder": folder, "file": str(path), "line": line, "change": description, "noticed": noticed}
            done = pd.concat([done, pd.DataFrame([row])], ignore_index=True)
            done.to_csv(TABLE, index=False)
            print(
                f"{'noticed ' if noticed else 'SURVIVED'} {path}:{line} {description} ({len(tests)} tests)", flush=True
            )
    shutil.rmtree(copied)
    report(done)


def report(done: pd.DataFrame) -> None:
    """The page: the share of mutants that tests notice, and those that they do not."""
    score = done.groupby("folder", sort=False)["noticed"].agg(["sum", "count"])
    lines = [f"| `nas/{folder}` | {row['sum']} of {row['count']} |" for folder, row in score.iterrows()]
    lines.append(f"| together | {done['noticed'].sum()} of {len(done)} |")
    left = [f"- `{row.file}:{row.line}` {row.change}" for row in done[~done["noticed"].astype(bool)].itertuples()]
    (HERE / "README.md").write_text(
        "# Small faults that the tests notice\n\n"
        "Mutants are drawn at random; each is run against the tests of its folder that reach its line. One that no test\n"
        "fails on, or that no test of these folders reaches, survived.\n\n"
        "Command: `pip install coverage && python results/benchmarks/mutation/mutate.py --mutants 15`\n\n"
        "| code | mutants noticed |\n| --- | --- |\n" + "\n".join(lines) + "\n\nSurvivors:\n\n" + "\n".join(left) + "\n"
    )
    print((HERE / "README.md").read_text())


if __name__ == "__main__":
    main()
