"""Optuna without its log lines."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["only_optuna_warnings"]


@contextmanager
def only_optuna_warnings() -> Iterator[None]:
    """Within it, Optuna logs only warnings and does not point out its experimental functions."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
