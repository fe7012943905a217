"""``nas export --format nni``: the space and an architecture of a run as NNI writes them."""

import json
from pathlib import Path
from typing import Any

from nas.files import write_file
from nas.runs.wanted import find_architecture
from nas.setup.folder import RunFolder
from nas.setup.own_code import naming_own_parts
from nas.setup.run_setup import Setup
from nas.setup.without_model import space_of
from nas.space import to_nni_architecture, to_nni_space

__all__ = ["export_for_nni"]


def export_for_nni(folder: RunFolder, wanted: str | None, out: Path | None) -> dict[str, Any]:
    """Writes ``search_space.nni.json`` and an architecture of a run, trained or not, for NNI.

    Args:
        wanted: as for :func:`nas.runs.export_architecture`.
        out: the architecture's file; by default named by its id, in the run's folder. The space is written beside it.

    Raises:
        UsageError: the run has no result yet, or no such architecture.
    """
    config = folder.load_config()
    with naming_own_parts(config):
        space = Setup(config, folder.path).space if config.has_model else space_of(config)
    architecture = find_architecture(space, folder, wanted)
    out = out or folder.path / f"{architecture.id}.nni.json"
    chosen = to_nni_architecture(space, architecture)
    described = out.parent / "search_space.nni.json"
    write_file(described, json.dumps(to_nni_space(space), indent=2))
    write_file(out, json.dumps(chosen, indent=2))
    return {"search_space": str(described), "architecture_file": str(out), "architecture": chosen}
