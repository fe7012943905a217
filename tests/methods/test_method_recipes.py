"""Every published method assembles parts that can train its space."""

import pytest
import torch
from torch import nn

import nas
from nas.data import load
from nas.errors import UsageError
from nas.methods import METHODS, Method, method
from nas.training import Recipe, SupernetStep, train

every_method = pytest.mark.parametrize("each", METHODS.values(), ids=METHODS)


def elastic_net() -> nas.Supernet:
    torch.manual_seed(0)
    width = nas.Choice([4, 8, 16], name="width")
    layers = [nn.Flatten(), nas.nn.Linear(64, width), nn.ReLU(), nas.nn.Linear(width, 10)]
    return nas.Supernet(nn.Sequential(*layers))


@every_method
def test_a_method_says_what_it_is(each: Method) -> None:
    assert method(each.name) is each
    assert each.family in ("single-path", "sandwich")
    assert each.paper.split(", ")[-1].isdigit()
    assert each.summary and "\n" not in each.summary
    assert each.retrain in ("no", "inherited", "fresh")


@every_method
def test_the_recipe_names_fields_of_the_training_recipe(each: Method) -> None:
    assert Recipe(**each.recipe).model_dump().items() >= dict(each.recipe).items()


@every_method
def test_a_method_trains(each: Method) -> None:
    supernet, data = elastic_net(), load("digits", limit=320)
    recipe = Recipe(epochs=3, batch_size=32, **each.recipe)
    step = SupernetStep(supernet, each.paths(supernet.space, 0), each.objective(recipe))
    history = train(step, data.train, recipe, seed=0)
    assert history[-1]["loss"] < history[0]["loss"]


@every_method
def test_paths_are_a_function_of_seed_and_step(each: Method) -> None:
    space = elastic_net().space
    one, two, other = (each.paths(space, seed) for seed in (3, 3, 4))
    drawn = [one.draw(step) for step in range(20)]
    assert drawn == [two.draw(step) for step in range(20)][:20]
    assert drawn != [other.draw(step) for step in range(20)]


def test_label_smoothing_of_the_recipe_reaches_the_loss() -> None:
    from nas.training.objectives import Forward

    forward = Forward(torch.tensor([[5.0, 0.0]]), torch.tensor([0]), "largest", {})
    for each in METHODS.values():
        plain, smooth = (each.objective(Recipe(label_smoothing=share))[0](forward) for share in (0.0, 0.2))
        assert plain is not None and smooth is not None and smooth > plain


def test_bignas_learns_labels_through_the_largest_only() -> None:
    from nas.training.objectives import Forward

    labels, distillation = METHODS["bignas"].objective(Recipe())
    logits, teacher = torch.zeros(2, 3), {"largest": torch.ones(2, 3)}
    for role in ("random", "smallest"):
        forward = Forward(logits, torch.tensor([0, 1]), role, teacher)
        assert labels(forward) is None
        assert distillation(forward) is not None
    assert labels(Forward(logits, torch.tensor([0, 1]), "largest", {})) is not None


def test_an_unknown_method_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="method 'bignass' is not known; did you mean 'bignas'"):
        method("bignass")
