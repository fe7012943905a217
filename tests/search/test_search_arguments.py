"""What a search understands beside the forms that it needs."""

import re
from typing import Any

import pytest

import nas
from nas.errors import UsageError
from nas.search import search
from nas.space import Space
from search_spaces.chain import chain

SPACE = Space({"a": [1, 2, 3], "b": [4, 5]})


def sums(architectures: list[nas.Architecture]) -> list[float]:
    return [float(sum(each.values())) for each in architectures]


@pytest.mark.parametrize(
    "evaluate",
    [sums, lambda some: [{"total": value, "name": "x"} for value in sums(some)]],
    ids=["numbers", "mappings"],
)
def test_text_names_and_lists_do(evaluate: Any) -> None:
    table = search(SPACE, evaluate, "exhaustive", objectives="maximise total", constraints="total <= 7", budget=6)
    assert table["total"].max() == 8 and table[table["pareto"]]["total"].tolist() == [7.0]


def test_static_costs_are_costs() -> None:
    supernet = nas.Supernet(chain((1, 8, 8), 10, layers=(1,), width=4, head=16))
    costs = nas.StaticCosts(supernet, (1, 8, 8))
    objectives = ["maximise score", nas.Objective("flops", maximise=False)]
    found = search(
        supernet.space, lambda some: [1.0] * len(some), "random", objectives=objectives, costs=costs, budget=3
    )
    assert found["flops"].tolist() == [costs(nas.Architecture.from_json(key))["flops"] for key in found["architecture"]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"objectives": [("accuracy", True)]}, "objective ('accuracy', True) is of type tuple; give nas.Objective("),
        ({"objectives": "accuracy"}, "objective 'accuracy' cannot be read; write maximise or minimise"),
        ({"strategy": "evolve"}, "strategy 'evolve' is not known; known are "),
        ({"strategy": nas.RandomSearch}, "which has no ask and tell; give its name"),
        ({"evaluate": lambda some: 3.0}, "evaluate gave a float; expected a pandas.DataFrame or a list of mappings"),
        ({"evaluate": lambda some: ["x"] * len(some)}, "evaluate gave a list; expected a pandas.DataFrame or a list"),
        ({"evaluate": lambda some: [1.0]}, "evaluate gave 1 row for 6 architectures"),
    ],
)
def test_other_mistakes_are_told_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    given = {"evaluate": sums, "strategy": "random", "objectives": "maximise total", "budget": 6, **changes}
    with pytest.raises(UsageError, match=re.escape(sentence)):
        search(SPACE, given.pop("evaluate"), given.pop("strategy"), **given)
