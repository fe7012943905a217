"""What `nas profile` tells: the costs of a space, a latency predictor, how feasible the constraints are."""

import json
from dataclasses import asdict
from typing import Any

from nas.files import write_file
from nas.runs.bench import Bench
from nas.runs.config import RunConfig
from nas.runs.feasibility import feasibility
from nas.runs.folder import RunFolder
from nas.runs.latency import fit_latency
from nas.runs.progress import Progress, Silent

__all__ = ["run_profile"]


def run_profile(config: RunConfig, folder: RunFolder, progress: Progress | None = None) -> dict[str, Any]:
    """Measures networks on the target, fits the predictor and writes ``profile.json``; nothing is trained.

    Returns:
        space, target, predictor (kind, samples and leave-one-out errors) and feasibility.
    """
    bench = Bench(config)
    folder.create(config)
    with folder.lock(), folder.stage("profile"):
        latency = fit_latency(bench, folder, progress or Silent())
        table = latency.costs(bench.samples)
    report = {
        "space": config.space,
        "target": bench.target.name,
        "predictor": {
            "kind": "linear",
            "samples": min(config.profile.networks, len(bench.samples)),
            **asdict(latency.predictor.errors),
        },
        "feasibility": feasibility(bench, table),
    }
    write_file(folder.path / "profile.json", json.dumps(report, indent=2))
    return report
