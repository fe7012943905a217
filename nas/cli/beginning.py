"""When the command began, before it imported anything heavy: the time that a run is given begins there."""

import time

__all__ = ["begun", "mark"]

_clocks = {"wall": 0.0, "cpu": 0.0}


def mark() -> None:
    """It begins now."""
    _clocks.update(wall=time.perf_counter(), cpu=time.process_time())


def begun() -> tuple[float, float]:
    """What :func:`time.perf_counter` and :func:`time.process_time` showed then."""
    return _clocks["wall"], _clocks["cpu"]
