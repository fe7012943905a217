"""A block of work on Ray that ends in a sentence when Ray itself has ended, or does not answer."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from nas.errors import UsageError

__all__ = ["Find", "after", "death_of", "ended_by", "signals_kept"]

Find = Callable[[], str | None]
"""Asked again and again; gives the sentence that ends the block, or None as long as all is well."""

_LOOK_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_LEAVE_SECONDS = 20.0


@contextmanager
def ended_by(find: Find) -> Iterator[None]:
    """Ends its block with the sentence that is found while it runs.

    Ray waits for what has died without an end, and answers nothing but Ctrl-C: so that is what the block gets. A block
    that cannot be ended so, since Ray waits without looking, ends the process 20 s later with the sentence and exit
    code 2. Only the main thread gets Ctrl-C: in another nothing is watched.

    Raises:
        UsageError: with the sentence.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch(find)
    watch.start()
    try:
        try:
            yield
        finally:
            watch.stop()
    except KeyboardInterrupt:
        if watch.sentence is None:
            raise
        raise UsageError(watch.sentence) from None


@contextmanager
def signals_kept(*numbers: int) -> Iterator[None]:
    """What signals do stays as it is.

    Ray takes SIGTERM over, and aborts the process three seconds later; Tune takes Ctrl-C to end in order, and keeps it.
    """
    ours = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers} if ours else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def after(seconds: float, sentence: str) -> Find:
    """The sentence, once so many seconds have passed."""
    end = time.monotonic() + seconds
    return lambda: sentence if time.monotonic() > end else None


def death_of(ray: Any, name: str, patience: float) -> Find:
    """A sentence once the connected Ray no longer answers, or no longer counts this machine in.

    Args:
        name: of the Ray, for the sentence.
        patience: seconds that it may be silent.
    """
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    node, heard = context.get_node_id(), time.monotonic()
    advice = "end what takes its memory, or start it again, and go on with `nas resume`."

    def find() -> str | None:
        nonlocal heard
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
            here = [each["Alive"] for each in ray.nodes() if each["NodeID"] == node]
        except (OSError, RuntimeError, ray.exceptions.RayError) as error:
            silent = time.monotonic() - heard
            return f"{name} has ended ({error}); {advice}" if silent > patience else None
        heard = time.monotonic()
        return None if any(here) else f"{name} has lost its process on this machine (raylet); {advice}"

    return find


class _Watch(threading.Thread):
    """Asks beside the main thread.

    Attributes:
        sentence: what ended the block; None if nothing did.
    """

    def __init__(self, find: Find) -> None:
        super().__init__(name="watch on Ray", daemon=True)
        self.sentence: str | None = None
        self._find, self._left = find, threading.Event()

    def run(self) -> None:
        while not self._left.wait(_LOOK_SECONDS):
            sentence = self._find()
            if sentence is not None and not self._left.is_set():
                self.sentence = sentence
                if callable(signal.getsignal(signal.SIGINT)):
                    signal.pthread_kill(cast(int, threading.main_thread().ident), signal.SIGINT)
                if not self._left.wait(_LEAVE_SECONDS):
                    print(f"nas: {sentence}", file=sys.stderr, flush=True)
                    os._exit(2)
                return

    def stop(self) -> None:
        """The block has ended; no question is under way after this."""
        self._left.set()
        self.join(2 * _CONNECT_SECONDS)
