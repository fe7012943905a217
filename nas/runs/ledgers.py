"""The ledger of a run: a file in its folder, or a study in a database that several runs share."""

import socket
from typing import TYPE_CHECKING

from nas.search import Ledger
from nas.setup.folder import RunFolder

if TYPE_CHECKING:
    from nas.setup.run_setup import Setup
    from nas.setup.without_model import SetupWithoutModel

__all__ = ["open_ledger"]


def open_ledger(setup: "Setup | SetupWithoutModel", folder: RunFolder) -> Ledger:
    """The ledger that the configuration names; a run that is continued owns what it had claimed.

    Raises:
        UsageError: the storage cannot be opened, or the study is of another space or other objectives.
    """
    config = setup.config
    return Ledger(
        config.storage or folder.study,
        config.study or folder.name,
        setup.objectives,
        {"space": setup.space.fingerprint},
        owner=f"{socket.gethostname()}:{folder.path.resolve()}",
    )
