"""A Ray that one process starts for itself: nobody else reaches it, and its workers import what that process would."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.files import keep_secret

__all__ = ["TOKEN", "private"]

TOKEN = Path.home() / ".ray" / "auth_token"
"""Where Ray looks for the token of this user's clusters."""

_FAR = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""With "0" in this variable all servers of Ray listen to the loopback alone, on any system."""


@contextmanager
def private(ray: Any) -> Iterator[dict[str, Any]]:
    """What ``ray.init`` is to be told, within the block, to start a Ray of this process alone.

    Its processes find the modules that this one finds, in the same order.
    """
    _keep_token()
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    constants = ray._private.ray_constants
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", _FAR)}
    far, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False  # read when Ray was imported
    os.environ.update({"PYTHONPATH": path, _FAR: "0"})
    try:
        yield {"include_dashboard": False, "job_config": _without_current_folder(ray)}
    finally:
        constants.ENABLE_RAY_CLUSTER = far
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _keep_token() -> None:
    """The token that such a Ray asks for, for the user alone: Ray would write one that everybody can read."""
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & {*os.environ}:
        return
    keep_secret(TOKEN, lambda: secrets.token_hex(32).encode())
    if TOKEN.stat().st_mode & 0o077:
        TOKEN.chmod(0o600)


def _without_current_folder(ray: Any) -> Any:
    """A job whose workers do not search the current folder before the standard library, as Ray has them do."""

    class JobConfig(ray.job_config.JobConfig):
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    return JobConfig()
