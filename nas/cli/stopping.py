"""What ends a command from outside: Ctrl-C, and SIGTERM, with which schedulers and containers do it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["exit_code", "terminable"]


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: whatever ends well after Ctrl-C ends well after it."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within it SIGTERM raises as Ctrl-C does, in the main thread, which alone gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(end: BaseException) -> int | None:
    """130 after Ctrl-C, 143 after SIGTERM; None if it is another end.

    Ray has a handler of its own for SIGTERM, which exits with the number of the signal.
    """
    if isinstance(end, TerminatedError) or (isinstance(end, SystemExit) and end.code == signal.SIGTERM):
        return 128 + signal.SIGTERM
    return 128 + signal.SIGINT if isinstance(end, KeyboardInterrupt) else None


def _raise(number: int, frame: FrameType | None) -> None:
    raise TerminatedError
