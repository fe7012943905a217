"""How long `nas` takes to say what needs no network, and which heavy packages it imports for it.

Each round starts every command once, in every source tree, so that a busy machine disturbs all alike. Wall time is what
a user waits; CPU time (user and system, of the process alone) hardly depends on what else runs.
"""

import argparse
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
HEAVY = ("torch", "pandas", "numpy", "scipy", "sklearn", "optuna", "sqlalchemy", "ray", "onnx", "plotly", "pydantic")
LISTED = ("spaces", "methods", "evaluators", "strategies", "targets", "costs", "predictors", "tasks")
COMMANDS = {
    "import nas": None,
    "nas --help": ["--help"],
    "nas search --help": ["search", "--help"],
    **{f"nas list {what}": ["list", what] for what in LISTED},
    "unknown command": ["serach"],
    "unknown option": ["search", "--epoch", "3"],
    "unknown space": ["search", "--space", "chian"],
    "unknown method": ["search", "--method", "bignass"],
    "unknown strategy": ["search", "--strategy", "evolve"],
    "unknown target": ["search", "--target", "onnxrt"],
    "unknown key": ["search", "--set", "candidats=3"],
    "wrong type": ["search", "--set", "training.epochs=many"],
    "unreadable constraint": ["search", "--constraint", "be fast"],
    "missing config": ["search", "--config", "no/such.yaml"],
    "nas resume nothing": ["resume", "nothing"],
    "nas export nothing": ["export", "nothing"],
}
COMPARED = ("nas --help", "nas list methods", "unknown space")
"""What is timed in every source tree; the rest in the last one alone."""
IMPORTED = """
import sys
try:
    import nas
    if len(sys.argv) > 1:
        from nas.cli import main
        main()
finally:
    print("imports", *[name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "trees",
        nargs="*",
        default=[f"now={FOLDER.parents[2]}"],
        help="NAME=FOLDER of source trees, the last one in full",
    )
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    trees = {name: Path(folder).resolve() for name, _, folder in (each.partition("=") for each in given.trees)}
    cases = [(tree, command) for command in COMMANDS for tree in trees if command in COMPARED or tree == [*trees][-1]]
    times: dict[tuple[str, str], list[tuple[float, float]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as empty:
        imported = {case: heavy(trees[case[0]], COMMANDS[case[1]], empty) for case in cases}  # compiles, too
        for _ in range(given.rounds):
            for tree, command in cases:
                times[tree, command].append(timed(trees[tree], COMMANDS[command], empty))
    rows = []
    for (tree, command), found in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        rows.append([command, tree, f"{wall:.3f}", f"{cpu:.3f}", imported[tree, command]])
    with (FOLDER / "startup.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["command", "tree", "wall_s", "cpu_s", "imports"], *rows])
    print("| command | tree | wall, s | CPU, s | imports |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("typer", "pydantic", "numpy", "torch"))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"\nPython {platform.python_version()}, {libraries}; {os.cpu_count()} CPUs, load {load}; {given.rounds} rounds."
    )


def started(words: list[str], tree: Path, folder: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def timed(tree: Path, arguments: list[str] | None, folder: str) -> tuple[float, float]:
    """Seconds on the clock and on the CPU."""
    begin = time.perf_counter()
    process = started(["-c", "import nas"] if arguments is None else ["-m", "nas", *arguments], tree, folder)
    assert process.stderr is not None
    process.stderr.read()
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime


def heavy(tree: Path, arguments: list[str] | None, folder: str) -> str:
    """The heavy packages that were imported."""
    process = started(["-c", IMPORTED.format(heavy=HEAVY), *(arguments or [])], tree, folder)
    return process.communicate()[1].splitlines()[-1].removeprefix("imports").strip()


if __name__ == "__main__":
    main()
