"""What reports show of a run's origin and of its latency predictor."""

import shlex
from collections.abc import Sequence
from typing import Any

from nas.latency.model import LatencyModel
from nas.report import LatencyContent
from nas.setup.config import RunConfig
from nas.setup.folder import RunFolder
from nas.setup.names import is_table
from nas.setup.pretrained import called_space
from nas.setup.run_setup import Setup
from nas.space import Architecture

__all__ = ["latency_content", "run_summary", "target_name", "target_settings"]


def run_summary(setup: Setup, folder: RunFolder) -> dict[str, Any]:
    """What fixed the run and how long it took, for the head and the foot of a report."""
    config, origin = setup.config, folder.read(folder.origin)
    return {
        "begun": folder.started.begun.replace("T", " "),
        "space": called_space(config),
        "task": config.task,
        "constraints": config.constraints,
        "seed": config.seed,
        "command": shlex.join(origin["command"]),
        "versions": origin["versions"],
        "seconds": origin["seconds"],
        "config": config.to_yaml(),
    }


def latency_content(
    latency: LatencyModel, front: Sequence[dict[str, Any]] = (), feasibility: dict[str, Any] | None = None
) -> LatencyContent:
    """What the report shows of a latency predictor.

    Args:
        front: networks shown with what was predicted of them, but for those of which nothing else is known.
        feasibility: of the space, if it is known.
    """
    summary = latency.summary
    front = [row for row in front if row["latency_source"] != "predicted"]
    predicted = latency.predict([Architecture(row["architecture"]) for row in front])
    return LatencyContent(
        target=target_name(latency.setup),
        measured=summary["held_out"]["measured"],
        predicted=summary["held_out"]["predicted"],
        trained=summary["samples"],
        noise_floor=summary["noise_floor"],
        errors={name: summary[name] for name in ("within_5pct", "within_10pct", "spearman", "mape")},
        predictors=summary["compared"],
        front=[{**row, "predicted_latency_ms": value} for row, value in zip(front, predicted, strict=True)],
        feasibility=feasibility,
    )


def target_settings(config: RunConfig) -> str:
    """What networks are measured with, in words; nothing for a table, whose measurements are what they are."""
    if is_table(config.target):
        return ""
    options = [f"{name} {value}" for name, value in config.target_args.items()]
    return ", ".join([f"threads {config.threads}", f"batch {config.latency_batch}", config.dtype, *options])


def target_name(setup: Setup) -> str:
    """The target, its device and what networks are measured with."""
    about = f"{setup.target.name}: {setup.target.device()}"
    settings = target_settings(setup.config)
    return f"{about}, {settings}" if settings else f"{about} (recorded)"
