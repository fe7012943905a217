"""One row, in a process of its own: the last line that it prints is the row as JSON."""

import argparse
import contextlib
import json
import sys
from pathlib import Path

import torch
from arms import ARMS, COMMANDS
from contest import Cell, Contest

from nas.costs import trace

sys.path.append(str(Path(__file__).parents[1]))
from own_process import tiny_search

__all__: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    contest = Contest(Cell(**json.loads(asked.cell)), asked.data_dir, asked.work)
    with contextlib.redirect_stdout(sys.stderr):
        row = computed(contest)
    print(json.dumps(row))


def computed(contest: Contest) -> dict[str, object]:
    """The row of a cell, with the figures of the whole network beside it."""
    cell, whole = contest.cell, contest.pretrained()
    if cell.arm in COMMANDS:
        tiny_search()
    contest.start()
    found = ARMS[cell.arm](contest)
    seconds = contest.spent
    if cell.arm == "pruning":
        kept = contest.work / f"{contest.checkpoint.stem}-{cell.share}-{cell.after:g}.json"
        kept.write_text(json.dumps(found.about["architecture"]))
    ms, whole_ms = contest.latency(found.network, whole)
    figures = found.figures or contest.tested(found.network)  # type: ignore[arg-type]
    size: dict[str, int | None] = {"params": None, "flops": None}
    if not isinstance(found.network, bytes):
        work = trace(found.network, contest.data.input_shape, contest.data.input_dtype)
        size = {"params": sum(each.numel() for each in found.network.parameters()), "flops": work.flops}
    dense = contest.tested(whole)["test"]
    return {
        **figures,
        "dense_test": dense,
        "latency_ms": ms,
        "dense_ms": whole_ms,
        "latency_share": ms / whole_ms,
        "cpu_seconds": seconds,
        **size,
        "details": json.dumps(found.about, sort_keys=True),
    }


if __name__ == "__main__":
    main()
