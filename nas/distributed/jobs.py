"""Jobs on a cluster that is reached by the address of its dashboard alone."""

import asyncio
import http.client
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from nas.distributed.cluster import ray_module
from nas.errors import UsageError

__all__ = ["Ending", "Jobs"]

_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 1.0
_TAIL_SECONDS = 60.0
_SILENT_SECONDS = 120.0
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
_OVERRIDING = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        status: "SUCCEEDED", "FAILED" or "STOPPED".
        code: what its process exited with; None if it never ran, or was lost with its machine.
        message: of Ray.
    """

    status: str
    code: int | None
    message: str

    @property
    def succeeded(self) -> bool:
        return self.status == "SUCCEEDED"


class Jobs:
    """The jobs of one cluster.

    Args:
        address: of its dashboard, ``http://host:port``.

    Raises:
        UsageError: the address is of another form, no Ray dashboard answers there within seconds, it refuses the token,
            or the part of Ray that talks to it is not installed. From methods: there is no such job, or the cluster is
            gone.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        _require_dashboard(self.address)
        _require_undisturbed(self.address)
        ray_module()
        with _in_a_sentence(self.address):
            from ray.job_submission import JobSubmissionClient

            for name in _TALKATIVE:
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client: Any = JobSubmissionClient(self.address)

    def submit(self, command: str, metadata: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
        """Starts a shell command on the head node and gives the id of its job.

        Args:
            metadata: texts that are kept with the job.
            folder: a copy of it is the current folder of the command, and of the workers that it starts.

        Raises:
            UsageError: the cluster refuses it.
        """
        environment = {"working_dir": str(folder)} if folder else {}
        with _in_a_sentence(self.address):
            job = self._client.submit_job(entrypoint=command, metadata=dict(metadata or {}), runtime_env=environment)
        return str(job)

    def metadata(self, job: str) -> dict[str, str]:
        """The texts that were kept with a job."""
        with _in_a_sentence(self.address, job):
            return dict(self._client.get_job_info(job).metadata or {})

    def output(self, job: str) -> str:
        """All that a job has written to standard output and standard error."""
        with _in_a_sentence(self.address, job):
            return str(self._client.get_job_logs(job))

    def follow(self, job: str, tell: Callable[[str], None]) -> Ending:
        """Tells every line that a job has written and writes, until it ends."""
        printer = _Printer(tell)
        ending = self._until_end(job, lambda: asyncio.run(self._tail(job, printer)))
        printer.all_of(self.output(job))
        return ending

    def wait(self, job: str) -> Ending:
        """Waits until a job has ended."""
        return self._until_end(job, lambda: None)

    def forget(self, job: str) -> None:
        """Takes a job that has ended off the list of the cluster."""
        with _in_a_sentence(self.address, job):
            self._client.delete_job(job)

    def _until_end(self, job: str, meanwhile: Callable[[], None]) -> Ending:
        """Asks again and again; a connection that breaks is made again for as long as there is patience."""
        from aiohttp import ClientError

        self.metadata(job)
        heard = time.monotonic()
        while time.monotonic() - heard < _SILENT_SECONDS:
            try:
                about = self._client.get_job_info(job)
                heard = time.monotonic()
                if about.status.is_terminal():
                    return Ending(str(about.status), about.driver_exit_code, about.message or "")
                meanwhile()
            except (OSError, RuntimeError, ClientError):
                time.sleep(_POLL_SECONDS)
            time.sleep(_POLL_SECONDS)
        raise UsageError(
            f"the cluster at {self.address} has told nothing of job '{job}' for {_SILENT_SECONDS:.0f} seconds; "
            "look at its head node, the job may still run there."
        )

    async def _tail(self, job: str, printer: "_Printer") -> None:
        """Tells the log as it grows, until the job ends or nothing has come for a while."""
        parts = self._client.tail_job_logs(job)
        printer.rewind()
        while True:
            async with asyncio.timeout(_TAIL_SECONDS):
                part = await anext(parts, None)
            if part is None:
                return
            printer.more(part)


class _Printer:
    """Tells the lines of a log once each, however often it is read from its beginning."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._log, self._printed = tell, "", 0

    def rewind(self) -> None:
        """What comes next is the log from its beginning."""
        self._log = ""

    def more(self, part: str) -> None:
        """The next part of the log, which may end within a line."""
        self._log += part
        end = self._log.rfind("\n") + 1
        if end > self._printed:
            for line in self._log[self._printed : end].splitlines():
                self._tell(line)
            self._printed = end

    def all_of(self, log: str) -> None:
        """The whole log, of which nothing more will come."""
        self.rewind()
        self.more(log if log.endswith("\n") else f"{log}\n")


def _require_dashboard(address: str) -> None:
    """Refuses an address where no dashboard of Ray answers; the client of Ray would wait for a minute.

    One that answers "no" to us is left to that client, which has the token.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"--address is '{address}', expected that of the cluster's dashboard, such as http://head:8265."
        )
    try:
        with urlopen(f"{address}/api/version", timeout=_CONNECT_SECONDS) as answer:
            found = json.loads(answer.read())
    except HTTPError as error:
        if error.code in (401, 403):
            return
        found = {"status": error.code}
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(
            f"--address is '{address}', where no dashboard answers ({_reason(error)}); "
            "start the cluster, or correct the address."
        ) from None
    except ValueError:
        found = None
    if not (isinstance(found, dict) and "ray_version" in found):
        raise UsageError(
            f"--address is '{address}', but what answers there is no dashboard of Ray; that of a cluster is at port "
            "8265 of its head node by default."
        )


def _require_undisturbed(address: str) -> None:
    for variable in _OVERRIDING:
        other = os.environ.get(variable, address)
        if other.rstrip("/") != address:
            raise UsageError(
                f"--address is '{address}', but the environment variable {variable} is '{other}', and Ray would go "
                "there; unset it."
            )


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


@contextmanager
def _in_a_sentence(address: str, job: str | None = None) -> Iterator[None]:
    """Turns what the client of Ray raises into one sentence."""
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError:
        raise UsageError(
            f"the cluster at {address} wants a token that is not the one here; copy ~/.ray/auth_token of its head node "
            "to the same place here, or set RAY_AUTH_TOKEN."
        ) from None
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        text = str(error).strip()
        if isinstance(error, ImportError) or "ray[default]" in text:
            advice = (
                "jobs need the part of Ray that talks to a cluster's dashboard; pip install 'nas-supernet[cluster]'."
            )
        elif job and "status code 404" in text:
            advice = f"job '{job}' is not known to the cluster at {address}; look at the id that `nas submit` printed."
        else:
            advice = f"the cluster at {address} refuses: {text.splitlines()[0] if text else type(error).__name__}"
        raise UsageError(advice) from None
