"""How long the banks of a method train, and what they begin with."""

from typing import Any

import pytest
from tiny import CLASSES, operations, split

import nas
from nas.data import Augment, ImageData
from nas.methods import METHODS
from nas.problem import Problem
from nas.tasks import Classification
from nas.training import Phase, Recipe, train_phases


def problem(method: str, epochs: int = 8, **sharing: Any) -> Problem:
    supernet = nas.Supernet(operations().model, METHODS[method].make_sharing(sharing, seed=0))
    task = Classification([str(each) for each in range(CLASSES)])
    data = ImageData("noise", task, split(), split(seed=1), split(seed=2), Augment())
    return Problem(supernet, data, recipe=Recipe(epochs=epochs, batch_size=16, warmup_epochs=1.0))


def phases(method: str, sharing: dict[str, Any], **options: Any) -> list[Phase]:
    return list(METHODS[method].phases(problem(method, **sharing), **METHODS[method].check_options(options)))


@pytest.mark.parametrize(
    ("method", "sharing", "total", "per_bank"),
    [
        ("balanced-mixture", {"models": 3}, [8], [24]),
        ("few-shot", {"choices": "layer1"}, [4, 4], [4, 12]),
        ("few-shot", {"choices": ["layer1", "layer2"], "split_at": 0.25}, [2, 6], [2, 54]),
        ("few-shot", {}, [4, 4], [4, 12]),
        ("gradient-matching", {}, [2, 2, 4], [2, 4, 16]),
        ("gradient-matching", {"groups": 3, "split_at": [0.5]}, [4, 4], [4, 12]),
    ],
)
def test_banks_share_the_epochs_or_have_as_many_each(
    method: str, sharing: dict[str, Any], total: list[int], per_bank: list[int]
) -> None:
    assert [each.recipe.epochs for each in phases(method, sharing)] == total
    longer = phases(method, sharing, steps="per-bank")
    assert [each.recipe.epochs for each in longer] == per_bank
    assert sum(each.recipe.warmup_epochs for each in longer) == pytest.approx(sum(per_bank) / 8)


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(nas.UsageError, match="method 'few-shot' has steps 'per bank'"):
        METHODS["few-shot"].check_options({"steps": "per bank"})


@pytest.mark.parametrize("restart", ["none", "final"])
def test_banks_of_the_last_level_begin_anew_where_it_is_asked_for(restart: str) -> None:
    """With a learning rate that moves nothing."""
    made = problem("gradient-matching", epochs=3, repeats=1)
    recipe = made.recipe.model_copy(update={"learning_rate": 1e-30, "weight_decay": 0.0})
    made = Problem(made.supernet, made.data, recipe=recipe)
    scheme: Any = made.supernet.sharing
    before = scheme.tensors(0)["stem.weight"].detach().clone()
    history = train_phases(METHODS["gradient-matching"].phases(made, restart=restart), seed=0)
    assert [len(epoch.get("divisions", [])) for epoch in history] == [0, 1, 2]
    alike = [bool((scheme.tensors(bank)["stem.weight"] == before).all()) for bank in range(4)]
    assert alike == [restart == "none"] * 4
