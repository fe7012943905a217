"""The command that shows every result of a run in the browser, for those who have installed it."""

import shlex
from importlib.util import find_spec

from nas.setup import RunFolder

__all__ = ["dashboard_command"]


def dashboard_command(folder: RunFolder) -> str | None:
    """``optuna-dashboard`` on the study of a run; None where it is not installed, or the study is not in the folder."""
    if find_spec("optuna_dashboard") is None or not folder.study.exists():
        return None
    return shlex.join(["optuna-dashboard", f"sqlite:///{folder.study}"])
