"""How a run was begun, as its ``run.json`` tells: what it is, what was asked for, by which command and versions."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast, get_args

from nas.errors import UsageError
from nas.files import write_file
from nas.search.database_url import without_password
from nas.setup.config import RunConfig, read_back
from nas.setup.libraries import versions
from nas.setup.trust import is_sealed, seal

__all__ = ["Kind", "Origin", "read_object"]

Kind = Literal["search", "profile"]
_UNCOUNTED_SECONDS = 5.0


class Origin:
    """The file ``run.json``; all that read it raise UsageError if it is damaged.

    Attributes:
        clock: by which the seconds of stages are counted; of a run that was given CPU time, that time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock: Callable[[], float] = time.perf_counter
        self._stage, self._counted = "", math.inf

    def write(self, config: RunConfig, kind: Kind, is_new: bool) -> None:
        """Begins the account of a run; one that is new is the user's own."""
        record = {
            "kind": kind,
            "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "command": ["nas", *map(without_password, sys.argv[1:])],
            "seed": config.seed,
            "versions": versions(),
        }
        proof = {"seal": seal(self._location, config)} if is_new else {}
        self._replace({**record, **proof, "config": config.model_dump(mode="json"), "seconds": {}})

    def read(self, *keys: str) -> dict[str, Any]:
        """The content, which must have these keys."""
        return read_object(self.path, "delete it and give the command of the run again, with its name,", *keys)

    @property
    def kind(self) -> Kind | None:
        """What the run is, None if the file is lost; runs from before this was told are searches."""
        if not self.path.exists():
            return None
        kind = self.read().get("kind", "search")
        if kind not in get_args(Kind):
            raise UsageError(f"{self.path} is damaged (its kind is {kind!r}); delete that folder and begin again.")
        return cast(Kind, kind)

    @property
    def config(self) -> RunConfig | None:
        """The configuration as it was at the start; None if the file is lost, or from before it told this."""
        record = self.read().get("config") if self.path.exists() else None
        if record is not None and not isinstance(record, dict):
            raise UsageError(f"{self.path} is damaged (its config is {record!r}); delete that folder and begin again.")
        return None if record is None else read_back(record, str(self.path))

    @property
    def begun(self) -> str:
        """Local time of the beginning, such as 2026-03-01T09:30:00; runs that do not tell it have that of the file."""
        told = self.read().get("begun") if self.path.exists() else None
        if isinstance(told, str):
            return told
        files = (self.path, self.path.with_name("config.yaml"))
        made = next((file.stat().st_mtime for file in files if file.exists()), 0.0)
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(made))

    def is_own(self, config: RunConfig) -> bool:
        """Whether this user started the run with this configuration in this place, or confirmed it."""
        return is_sealed(self._location, config, self.read().get("seal") if self.path.exists() else None)

    def seal(self, config: RunConfig) -> None:
        """Keeps the proof that this user confirms the configuration.

        Raises:
            UsageError: also if no key can be kept.
        """
        proof = seal(self._location, config)
        if proof is None:
            raise UsageError(
                f"{self.path.parent} cannot be made yours, since no key can be kept; let XDG_STATE_HOME name a folder "
                "that can be written."
            )
        self._replace({**self.read(), "seal": proof})

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the seconds spent inside to the run's account of its stages."""
        self._stage, self._counted = stage, self.clock()
        yield
        self._count()
        self._counted = math.inf

    def keep_seconds(self) -> None:
        """Adds those since the last time already, if they are many, so that a killed stage loses few of them."""
        if self.clock() - self._counted > _UNCOUNTED_SECONDS:
            self._count()

    def _count(self) -> None:
        now, record = self.clock(), self.read("seconds")
        record["seconds"][self._stage] = round(record["seconds"].get(self._stage, 0.0) + now - self._counted, 2)
        self._counted = now
        self._replace(record)

    @property
    def _location(self) -> str:
        return str(self.path.parent.resolve())

    def _replace(self, content: dict[str, Any]) -> None:
        write_file(self.path, json.dumps(content, indent=2))


def read_object(path: Path, again: str, *keys: str) -> dict[str, Any]:
    """The JSON object in a file, which must have these keys.

    Args:
        again: what to delete and to do, so that it is made again.

    Raises:
        UsageError: the file is damaged or gone.
    """
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__} instead of named values")
        if missing := [key for key in keys if key not in content]:
            raise TypeError(f"it has no '{missing[0]}'")
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UsageError(f"{path} is damaged (it is no JSON); {again} to make it again.") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is damaged ({error}); {again} to make it again.") from None
    return content
