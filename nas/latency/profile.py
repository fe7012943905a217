"""What `nas profile` tells: the costs of a space, a latency predictor, how feasible the constraints are."""

import json
from typing import Any

from nas.files import write_file
from nas.latency.content import latency_content, run_summary
from nas.latency.feasibility import feasibility_report
from nas.latency.fitting import fit_latency
from nas.report import write_latency_report
from nas.setup.checks import check_profile
from nas.setup.config import RunConfig
from nas.setup.folder import RunFolder
from nas.setup.own_code import naming_own_parts
from nas.setup.pretrained import called_space
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import Setup
from nas.setup.what_varies import tell_what_varies

__all__ = ["run_profile", "write_profile"]

_TOLD = ("kind", "samples", "within_5pct", "within_10pct", "spearman", "mape", "noise_floor")


def run_profile(config: RunConfig, folder: RunFolder, progress: Progress | None = None) -> dict[str, Any]:
    """Measures networks on the target, fits the predictor, writes ``profile.json`` and a page; nothing is trained.

    Returns:
        As :func:`write_profile`.

    Raises:
        UsageError: the configuration cannot be carried out, or the folder is another's.
    """
    with naming_own_parts(config):
        setup = Setup(config)
        check_profile(config)
        with folder.begin(config, "profile"):
            tell_what_varies(setup.supernet, folder, progress or Silent())
            return write_profile(setup, folder, progress or Silent())


def write_profile(setup: Setup, folder: RunFolder, progress: Progress) -> dict[str, Any]:
    """The same in a folder that was begun.

    Returns:
        ``space``, ``target``, ``input_shape`` (of one example), ``predictor`` (``kind``, ``samples``, its errors on
        held-out networks and the ``noise_floor`` of measurements, None if unknown), ``feasibility`` and, where the
        machine tells it, ``energy_mj`` (median of a call).
    """
    with folder.stage("profile"):
        latency = fit_latency(setup, folder, progress)
        found = feasibility_report(setup, latency.costs, latency.summary["mape"])
    report = {
        "space": called_space(setup.config),
        "target": setup.target.name,
        "input_shape": list(setup.data.input_shape),
        "predictor": {name: latency.summary[name] for name in _TOLD},
        "feasibility": found,
    }
    if latency.summary["energy_mj"] is not None:
        report["energy_mj"] = latency.summary["energy_mj"]
    content = latency_content(latency, feasibility=found)
    write_latency_report(folder.report, folder.name, content, run_summary(setup, folder))
    write_file(folder.profile, json.dumps(report, indent=2))
    return report
