"""NNI's tuners keep to what every strategy must do, and find what they look for."""

import re
from functools import partial
from typing import Any

import pytest

from nas.errors import UsageError
from nas.search import Result
from nas.search.nni_tuner import NniTuner
from nas.space import Space
from nas.testing import StrategySuite

pytest.importorskip("nni", reason="the extra nas-supernet[nni] is not installed")

SPACE = Space({f"c{index}": [4, 1, 3, 2] for index in range(6)})


class TestEveryTuner(StrategySuite):
    @pytest.fixture(autouse=True, params=["TPE", "Evolution", "Anneal", "Random", "GridSearch"])
    def tuner(self, request: pytest.FixtureRequest) -> None:
        if request.param == "Anneal":
            pytest.importorskip("hyperopt", reason="NNI's Anneal needs hyperopt")
        self.make = partial(NniTuner, tuner=request.param)
        self.draws = request.param != "GridSearch"


def distance_found(tuner: str, seed: int, trials: int = 200) -> float:
    """How near it comes to one of 4,096 architectures, in choices and how far each is off."""
    strategy, best = NniTuner(SPACE, seed, tuner=tuner), float("inf")
    for _ in range(trials // 10):
        asked = strategy.ask(10)
        values = [float(sum(abs(value - 3) for value in each.values())) for each in asked]
        best = min([best, *values])
        strategy.tell([Result(each, {}, (value,), 0.0) for each, value in zip(asked, values, strict=True)])
    return best


@pytest.mark.parametrize("tuner", ["TPE", "Evolution"])
def test_tuners_that_learn_find_better_architectures_than_random_ones(tuner: str) -> None:
    learnt, drawn = (sum(distance_found(each, seed) for seed in range(4)) for each in (tuner, "Random"))
    assert learnt < drawn


def test_a_violation_is_worse_than_any_value_once_there_is_one() -> None:
    """TPE takes what it is told for a loss; without a value yet, an infeasible trial is one that failed."""
    strategy = NniTuner(SPACE, 0)
    first, second, third = strategy.ask(3)
    strategy.tell([Result(first, {}, None, 0.5)])
    strategy.tell([Result(second, {}, (4.0,), 0.0), Result(third, {}, (1.0,), 0.25)])
    losses = sorted(record.loss for record in strategy._tuner._history[("c0",)])
    assert losses == [4.0, 4.25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuner": "PBT"}, "'PBT' cannot be a strategy: its trials go on from the weights of others"),
        ({"tuner": "GP"}, "'GP' cannot be a strategy: it calls SciPy"),
        ({"tuner": "Annealing"}, "tuner 'Annealing' is not known; did you mean 'Anneal'?"),
        ({"class_args": {"optimize_mode": "maximize"}}, "is given optimize_mode, which the search says itself"),
        ({"tuner": "Evolution", "class_args": {"population": 5}}, "no argument 'population'; did you mean"),
        ({"class_args": {"tpe_args": {"gama": 1}}}, "'TPE' refuses class_args"),
    ],
)
def test_what_no_tuner_can_do_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        NniTuner(SPACE, 0, **options)
