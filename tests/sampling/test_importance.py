"""Paths and examples by the size of their gradients: probabilities, frequencies, and weights that make up for them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tiny import CLASSES, check_resumed, operations, split
from torch import Tensor, nn

import nas
from nas.data.text import TextSplit
from nas.sampling import ImportantExamples, ImportantPaths
from nas.sampling.important_examples import weighted
from nas.sampling.important_paths import importance
from nas.space import Architecture, Condition, Space
from nas.testing import PathSamplerSuite
from nas.training import Context, CrossEntropy, Forward, Phase, Recipe, SupernetStep, train_phases

SPACE = Space(
    {"depth": [1, 2], "a": ["x", "y", "z"], "b": [3, 5]}, {"b": [(Condition(("depth",), frozenset({(1,)})),)]}
)
SKEWED = {"depth": [0.3, 0.7], "a": [0.5, 0.2, 0.3], "b": [0.9, 0.1]}


def skewed(seed: int = 0) -> ImportantPaths:
    paths = ImportantPaths(SPACE, seed, {})
    paths.probabilities = {name: np.array(each) for name, each in SKEWED.items()}
    return paths


def probability(architecture: Architecture) -> float:
    found = 1.0
    for name, value in architecture.items():
        found *= SKEWED[name][SPACE.choices[name].index(value)]
    return found


def test_a_share_goes_by_importance_and_the_rest_to_all_alike() -> None:
    assert importance(np.array([1.0, 3.0]), 1.0) == pytest.approx([0.25, 0.75])
    assert importance(np.array([1.0, 3.0]), 0.0) == pytest.approx([0.5, 0.5])
    assert importance(np.array([0.0, 4.0]), 0.9) == pytest.approx([0.05, 0.95])
    assert importance(np.array([0.0, 0.0]), 0.9) == pytest.approx([0.5, 0.5]), "nothing is important"
    assert importance(np.array([np.nan, 1.0, 3.0]), 1.0) == pytest.approx([1 / 3, 1 / 6, 1 / 2]), "as the mean"
    assert importance(np.full(4, np.nan), 1.0) == pytest.approx([0.25] * 4)


def test_paths_are_drawn_as_often_as_their_probabilities_say() -> None:
    paths, steps = skewed(), 6000
    counts = Counter(path.architecture for step in range(steps) for path in paths.draw(Context(step)))
    every = list(SPACE)
    observed, expected = [counts[each] for each in every], [steps * probability(each) for each in every]
    assert chisquare(observed, expected).pvalue > 0.01
    assert chisquare(observed).pvalue < 1e-6, "which uniform draws would not give"


def test_weights_make_draws_uniform_in_expectation() -> None:
    paths = skewed()
    uniform = {
        each: np.prod([1 / len(SPACE.choices[name]) for name in each]) for each in SPACE
    }  # of active choices: those that are not there do not change what is drawn
    for each in SPACE:
        assert paths.weight(each) * probability(each) == pytest.approx(uniform[each])
    anything = {each: float(number) for number, each in enumerate(SPACE)}
    weighted_mean = sum(probability(each) * paths.weight(each) * anything[each] for each in SPACE)
    assert weighted_mean == pytest.approx(sum(uniform[each] * anything[each] for each in SPACE))


def passes(supernet: nas.Supernet, paths: ImportantPaths, steps: Iterable[int], **where: Any) -> None:
    step = SupernetStep(supernet, paths, [CrossEntropy()])
    phase = Phase(step, split(), Recipe(epochs=10))
    for number, (x, y) in zip(steps, split().shuffled(16, 0), strict=False):
        supernet.zero_grad(set_to_none=True)
        phase.take(Context(number, x, y, recipe=phase.recipe, position=1, **where), Tensor.backward)


def of_operations() -> tuple[nas.Supernet, ImportantPaths]:
    supernet = operations()
    return supernet, ImportantPaths(
        supernet.space, 0, {name: supernet.readers(name) for name in supernet.space.choices}
    )


def test_the_importance_of_a_candidate_is_the_norm_of_its_gradients() -> None:
    supernet, paths = of_operations()
    passes(supernet, paths, [0])
    (path,) = paths.draw(Context(0))
    sums = {name: paths.state()[f"sums/{name}"] for name in path.architecture}
    for name, value in path.architecture.items():
        place = supernet.space.choices[name].index(value)
        (module,) = supernet.readers(name)
        norms = [each.grad.norm() for each in module.parameters() if each.grad is not None]
        assert bool(norms) is (value != "skip")
        assert float(sums[name][0, place]) == pytest.approx(float(sum(norms)), rel=1e-5)
        assert sums[name][1].tolist() == [float(index == place) for index in range(3)]


def test_probabilities_are_renewed_when_an_epoch_begins() -> None:
    supernet, paths = of_operations()
    for number in range(6):
        passes(supernet, paths, range(4 * number, 4 * number + 4))
    assert all(each == pytest.approx([1 / 3] * 3) for each in paths.probabilities.values()), "not before"
    recipe = Recipe(epochs=10)
    paths.before_step(Context(24, recipe=recipe, recipe_epoch=5))
    for name, each in paths.probabilities.items():
        skip = supernet.space.choices[name].index("skip")
        assert each.sum() == pytest.approx(1) and each[skip] == pytest.approx(0.5 / 3), (
            "without parameters, half of even"
        )
    paths.before_step(Context(30, recipe=recipe, recipe_epoch=10))
    assert all(each.min() >= 0.1 / 3 - 1e-9 for each in paths.probabilities.values()), "some is kept to the end"


def examples(**options: Any) -> ImportantExamples:
    return ImportantExamples(split(), CrossEntropy(), **options)


def test_the_importance_of_an_example_is_the_gradient_of_its_loss() -> None:
    logits, target = torch.randn(6, CLASSES, requires_grad=True), torch.arange(6) % CLASSES
    term = examples()
    term.positions(6, torch.Generator().manual_seed(0))
    context = Context(0, logits, target, recipe=Recipe(batch_size=6, epochs=4))
    term.before_step(context)
    loss = term(Forward(logits, target, "random", {}))
    assert loss is not None and torch.equal(loss, nn.functional.cross_entropy(logits, target))
    term.after_step(context)
    expected = (logits.detach().softmax(1) - nn.functional.one_hot(target, CLASSES)).norm(dim=1)
    scores, seen = term.state()["scores"], term.state()["seen"]
    assert int(seen.sum()) == 6
    for position in set(term._batch.tolist()):
        at = torch.from_numpy(term._batch) == position
        assert float(scores[position]) == pytest.approx(float(expected[at].mean()), rel=1e-5), "the mean of its draws"


def test_examples_are_drawn_as_often_as_their_probabilities_say() -> None:
    term = examples()
    count = len(split())
    scores = torch.arange(count, dtype=torch.float64) % 3
    term.restore({"scores": scores, "seen": torch.ones(count), "share": torch.tensor(0.5)})
    drawn = term.positions(100_000, torch.Generator().manual_seed(1)).numpy()
    expected = importance(scores.numpy(), 0.5) * 100_000
    assert chisquare(np.bincount(drawn, minlength=count), expected).pvalue > 0.01


def test_weights_make_the_expected_gradient_that_of_uniform_draws() -> None:
    count = len(split())
    term = examples(weight=lambda: 1.0)
    scores = 1 + torch.arange(count, dtype=torch.float64) % 5
    term.restore({"scores": scores, "seen": torch.ones(count), "share": torch.tensor(0.8)})
    term.positions(count, torch.Generator().manual_seed(0))
    q = importance(scores.numpy(), 0.8)
    logits, target = torch.randn(count, CLASSES, dtype=torch.float64), torch.arange(count) % CLASSES
    (plain,) = torch.autograd.grad(nn.functional.cross_entropy(logits.requires_grad_(), target), logits)
    term._batch, term._cursor = np.arange(count), 0  # each example once
    term._found = torch.zeros(count)
    loss = term(Forward(logits, target, "random", {}))
    assert loss is not None
    (ours,) = torch.autograd.grad(loss, logits)
    expectation = ours * torch.from_numpy(q)[:, None] * count
    torch.testing.assert_close(expectation, plain)


def test_weighting_changes_gradients_alone() -> None:
    output, weights = torch.randn(3, 2, 4, requires_grad=True), torch.tensor([0.0, 1.0, 2.5])
    assert torch.allclose(weighted(output, weights), output)
    (gradient,) = torch.autograd.grad(weighted(output, weights).sum(), output)
    torch.testing.assert_close(gradient, weights.view(3, 1, 1).expand(3, 2, 4))


def test_a_split_gives_the_examples_that_are_drawn() -> None:
    term = examples()
    batches = list(term.data.shuffled(8, (0, 1)))
    assert len(batches) == split().steps(8) and all(len(x) == 8 for x, _ in batches)
    (stored, labels), positions = next(split().batches(len(split()))), torch.from_numpy(term._positions)
    assert torch.equal(torch.cat([x for x, _ in batches]), stored[positions])
    assert torch.equal(torch.cat([y for _, y in batches]), labels[positions])
    text = TextSplit(torch.arange(100, dtype=torch.uint8), 7)
    (windows, after), order = next(text.drawn(torch.tensor([3, 0, 3]), 3, 0)), torch.tensor([3, 0, 3])
    offset = int(windows[1, 0])
    assert 0 <= offset < 7 and torch.equal(windows[:, 0], offset + 7 * order) and torch.equal(after, windows + 1)


@pytest.mark.parametrize("unbiased", [False, True])
def test_a_training_that_goes_on_ends_bit_for_bit_alike(unbiased: bool, tmp_path: Any) -> None:
    def run(**options: Any) -> nas.Supernet:
        supernet, paths = of_operations()
        weight = (lambda: paths.weight(supernet.architecture)) if unbiased else None
        term = examples(weight=weight)
        phase = Phase(SupernetStep(supernet, paths, [term]), term.data, Recipe(epochs=4, batch_size=16))
        train_phases([phase], seed=5, **options)
        return supernet

    check_resumed(run, tmp_path / "checkpoint.safetensors")


def test_microbatches_are_of_the_examples_of_their_batch() -> None:
    """The importance of examples does not depend on how batches are cut."""
    scores = []
    for parts in (1, 4):
        torch.manual_seed(0)
        network = nas.Supernet(nn.Sequential(nn.Flatten(), nas.nn.Linear(36, nas.Choice([CLASSES]))))
        paths = ImportantPaths(network.space, 0, {})
        term = examples()
        phase = Phase(
            SupernetStep(network, paths, [term]), term.data, Recipe(epochs=2, batch_size=16, microbatches=parts)
        )
        train_phases([phase], seed=5)
        scores.append(term.state()["scores"])
    torch.testing.assert_close(*scores, equal_nan=True)


class TestImportantPaths(PathSamplerSuite):
    def make(self, space: Space, seed: int) -> ImportantPaths:
        return ImportantPaths(space, seed, {})
