"""The ledger of a run: a file in its folder, or a study in a database that several runs share."""

import socket

from nas.search import Ledger
from nas.setup.experiment import Bench
from nas.setup.folder import RunFolder

__all__ = ["open_ledger"]


def open_ledger(bench: Bench, folder: RunFolder) -> Ledger:
    """The ledger that the configuration names; a run that is continued owns what it had claimed.

    Raises:
        UsageError: the storage cannot be opened, or the study is of another space or other objectives.
    """
    config = bench.config
    return Ledger(
        config.storage or folder.study,
        config.study or folder.name,
        bench.objectives,
        {"space": bench.space.fingerprint},
        owner=f"{socket.gethostname()}:{folder.path.resolve()}",
    )
