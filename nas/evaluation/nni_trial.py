"""Code that was written as a trial of NNI, as an evaluator."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any, ClassVar

from nas.errors import UsageError
from nas.parts import import_object
from nas.space import Architecture

__all__ = ["NniTrial", "trial_of"]

_SCORE = "score"
_DEFAULT = "default"
"""What NNI calls the number that a tuner sees, where a trial reports several."""


def trial_of(name: str) -> "NniTrial":
    """A trial of NNI, nni:module:function, which asks NNI for its parameters and reports a final result.

    Raises:
        UsageError: NNI is not installed, or there is no such function.
    """
    try:
        import nni.trial  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"evaluator 'nni:{name}' needs {error.name}, which is not installed; pip install 'nas-supernet[nni]', or "
            "write a function that takes the architecture and returns its score, module:function."
        ) from error
    function = import_object(name, "evaluator")
    if not callable(function):
        raise UsageError(f"evaluator 'nni:{name}' is of type {type(function).__name__}, expected a function.")
    return NniTrial(name, function)


class NniTrial:
    """Runs a trial in this process: ``nni.get_next_parameter()`` gives it the architecture.

    What ``nni.report_final_result`` is told is the score, or of a mapping its ``default``; other numbers of that are
    metrics of their own name. Intermediate results are not read.

    Args:
        name: of the trial in messages.
        function: the trial, called without arguments.
    """

    metrics: ClassVar[Mapping[str, str]] = {_SCORE: "maximise"}

    def __init__(self, name: str, function: Callable[[], Any]) -> None:
        self._name, self._function = name, function

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """The metrics of one architecture.

        Raises:
            UsageError: the trial reports no final result, or something else than numbers.
        """
        with _channel(architecture) as reported:
            self._function()
        if not reported:
            raise UsageError(
                f"trial '{self._name}' reported no final result for architecture {architecture.id}; call "
                "nni.report_final_result(score) at its end."
            )
        found = reported[-1]
        values = dict(found) if isinstance(found, Mapping) else {_DEFAULT: found}
        if _DEFAULT not in values or not all(isinstance(value, Real) for value in values.values()):
            raise UsageError(
                f"trial '{self._name}' reported {found!r}; report a number, or numbers of which one is 'default'."
            )
        return {_SCORE if key == _DEFAULT else str(key): float(value) for key, value in values.items()}


@contextmanager
def _channel(architecture: Architecture) -> Iterator[list[Any]]:
    """What a trial within reports in the end, as it asks and tells NNI."""
    from nni import trial
    from nni.runtime import trial_command_channel as channels

    reported: list[Any] = []

    class Channel(channels.TrialCommandChannel):
        def receive_parameter(self) -> dict[str, Any]:
            return {"parameter_id": 0, "parameters": dict(architecture)}

        def send_metric(self, type: str, value: Any, **_: Any) -> None:  # noqa: A002 - as NNI calls it
            if type == "FINAL":
                reported.append(value)

    before, channels._channel = channels._channel, Channel()
    trial.overwrite_intermediate_seq(0)
    try:
        yield reported
    finally:
        channels._channel = before
