"""Options that a method has of its own: from a configuration to its phases."""

from types import SimpleNamespace
from typing import Any

import pytest

from nas.errors import UsageError
from nas.methods import METHODS
from nas.setup import RunConfig, Setup
from nas.tasks import Regression

SMALL: dict[str, Any] = {"space": "chain", "space_args": {"layers": [1, 1], "width": 4, "head": 8}, "task": "digits"}


def setup(method: str, **options: Any) -> Setup:
    return Setup(RunConfig(**SMALL, method=method, method_args=options))


def test_options_reach_the_phases_of_a_run() -> None:
    for random in (1, 3):
        (phase,) = setup("alphanet", random=random, orders=[1.0]).phases()
        step: Any = phase.step
        assert step.paths.random == random
        assert step.objective[1].orders == (1.0,)


@pytest.mark.parametrize(
    ("method", "options", "sentence"),
    [
        ("alphanet", {"order": [1]}, "method 'alphanet' has no option 'order'; did you mean 'orders'"),
        ("alphanet", {"random": "two"}, "method 'alphanet' has random 'two', but input should be a valid integer"),
        ("fairnas", {"random": 2}, "method 'fairnas' has no option 'random'; there is none"),
        ("darts", {"problem": 1}, "method 'darts' has no option 'problem'"),
    ],
)
def test_options_that_a_method_does_not_have_are_refused(method: str, options: Any, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        setup(method, **options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("method", ["alphanet", "elasticvit"])
def test_methods_that_compare_probabilities_refuse_a_task_without(method: str) -> None:
    problem = SimpleNamespace(task=Regression())
    with pytest.raises(UsageError, match=f"method '{method}' compares probabilities of labels, which regression does"):
        METHODS[method].phases(problem)
