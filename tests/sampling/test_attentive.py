"""Paths at the Pareto front: which of several is trained, and how they are scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from known_costs import SIZES, costs_in, table
from tiny import check_resumed, elastic, split

import nas
from nas.sampling import Attentive, BatchScore, CostLevels, PredictedScore, Uniform
from nas.space import Space
from nas.testing import PathSamplerSuite
from nas.training import Context, CrossEntropy, Path, Recipe, SupernetStep, train


@dataclass
class Oracle:
    """A quality of each architecture that has nothing to do with its cost, from 0 to 1."""

    seed: int = 0

    def __call__(self, paths: Sequence[Path], context: Context) -> list[float]:
        return [self.of(path) for path in paths]

    def of(self, path: Path) -> float:
        number = int(path.architecture.id, 16) + self.seed
        return float(np.random.default_rng(number).random())


def middles(candidates: int, **options: Any) -> list[Path]:
    sampler = Attentive(SIZES, 0, CostLevels(SIZES, table), Oracle(), candidates=candidates, **options)
    return [path for step in range(400) for path in sampler.draw(Context(step))[1:-1]]


def test_the_largest_comes_first_and_the_smallest_last() -> None:
    paths = Attentive(SIZES, 0, CostLevels(SIZES, table), Oracle(), random=3).draw(Context(0))
    assert paths[0] == Path(SIZES.largest(), "largest") and paths[-1] == Path(SIZES.smallest(), "smallest")
    assert [path.role for path in paths[1:-1]] == ["random"] * 3


@pytest.mark.parametrize("candidates", [1, 3, 5])
def test_the_best_of_k_is_k_of_k_plus_one_up_the_scale(candidates: int) -> None:
    best = np.mean([Oracle().of(path) for path in middles(candidates)])
    worst = np.mean([Oracle().of(path) for path in middles(candidates, focus="worst")])
    assert best == pytest.approx(candidates / (candidates + 1), abs=0.03)
    assert worst == pytest.approx(1 / (candidates + 1), abs=0.03)


def test_costs_are_distributed_as_under_uniform_draws() -> None:
    """A score that has nothing to do with costs does not change which levels are trained."""
    levels = CostLevels(SIZES, table)
    shares = [
        np.bincount([levels.of(path.architecture) for path in middles(candidates)], minlength=10) / 800
        for candidates in (1, 3)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_all_candidates_of_a_path_are_of_one_level() -> None:
    levels, slots = CostLevels(SIZES, table), list[set[int]]()

    def score(paths: Sequence[Path], context: Context) -> list[float]:
        slots.append({levels.of(path.architecture) for path in paths})
        return [0.0] * len(paths)

    sampler = Attentive(SIZES, 0, levels, score)
    firsts = [path for step in range(100) for path in sampler.draw(Context(step))[1:-1]]
    assert all(len(slot) == 1 for slot in slots) and len(set.union(*slots)) > 3
    alone = Attentive(SIZES, 0, levels, score, candidates=1)
    assert firsts == [path for step in range(100) for path in alone.draw(Context(step))[1:-1]], "drawn uniformly"


def test_one_candidate_needs_no_score() -> None:
    sampler = Attentive(SIZES, 0, CostLevels(SIZES, table), pytest.fail, candidates=1)  # type: ignore[arg-type]
    assert len(sampler.draw(Context(0))) == 4


def test_it_tells_from_how_many_a_path_was_chosen() -> None:
    sampler = Attentive(SIZES, 0, CostLevels(SIZES, table), Oracle(), candidates=3)
    for step in range(20):
        sampler.draw(Context(step))
    assert 2 < sampler.record()["compared"] <= 3
    assert sampler.record() == {}


def test_the_score_of_a_batch_is_its_loss_and_leaves_no_trace() -> None:
    supernet = elastic()
    x, y = next(split().batches(16))
    paths = [Path(supernet.space.sample(seed), "random") for seed in range(4)]
    supernet.train()
    before, random = {name: each.clone() for name, each in supernet.state_dict().items()}, torch.get_rng_state()
    scores = BatchScore(supernet, CrossEntropy())(paths, Context(0, x, y))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(each, before[name]) for name, each in supernet.state_dict().items())
    for path, score in zip(paths, scores, strict=True):
        network = supernet.extract(path.architecture).train()
        assert score == pytest.approx(-torch.nn.functional.cross_entropy(network(x), y).item(), rel=1e-5)


def predicted(supernet: nas.Supernet, **options: Any) -> PredictedScore:
    batch = next(split().batches(32))
    return PredictedScore(supernet.space, BatchScore(supernet, CrossEntropy()), batch, seed=1, **options)


def test_the_predictor_learns_when_an_epoch_begins() -> None:
    supernet = elastic()
    score = predicted(supernet, architectures=12, epochs=2)
    paths = [Path(each, "random") for each in supernet.space]
    score.before_step(Context(0))
    assert not np.any(score(paths, Context(0))) and score.record() == {}, "nothing is known at first"
    for epoch in range(1, 4):
        for position in range(3):
            score.before_step(Context(0, epoch=epoch, position=position))
    assert {name: len(each) for name, each in score.state().items()} == dict.fromkeys(["0/x", "0/y", "1/x", "1/y"], 12)
    truth = score.measure.on(paths, *score.batch, Context(0))
    assert np.corrcoef(score(paths, Context(0)), truth)[0, 1] > 0.6
    assert score.record()["score_spearman"] > 0.5
    again = predicted(supernet, epochs=2)
    again.restore(score.state())
    assert np.array_equal(again(paths, Context(0)), score(paths, Context(0)))


@pytest.mark.parametrize("kind", ["predicted", "batch"])
def test_a_training_that_goes_on_ends_bit_for_bit_alike(kind: str, tmp_path: Any) -> None:
    def make() -> tuple[SupernetStep, list[PredictedScore]]:
        supernet = elastic()
        listening = predicted(supernet)
        score = listening if kind == "predicted" else BatchScore(supernet, CrossEntropy())
        paths = Attentive(supernet.space, 3, CostLevels(supernet.space, costs_in(supernet.space)), score)
        return SupernetStep(supernet, paths, [CrossEntropy()]), [listening]

    def run(**options: Any) -> nas.Supernet:
        step, listeners = make()
        phase = nas.Phase(step, split(), Recipe(epochs=4, batch_size=16), listeners=listeners)
        nas.training.train_phases([phase], seed=5, **options)
        return step.model

    check_resumed(run, tmp_path / "checkpoint.safetensors")


def test_a_score_changes_what_is_trained() -> None:
    supernet = elastic()
    step = SupernetStep(supernet, Uniform(supernet.space, 0), [CrossEntropy()])
    train(step, split(), Recipe(epochs=2, batch_size=16), seed=0)
    x, y = next(split().batches(32))
    levels = CostLevels(supernet.space, costs_in(supernet.space), levels=2)
    score = BatchScore(supernet, CrossEntropy())

    def mean(focus: Any) -> float:
        sampler = Attentive(supernet.space, 0, levels, score, candidates=4, focus=focus)
        drawn = [path for step in range(20) for path in sampler.draw(Context(step, x, y))[1:-1]]
        return float(score(drawn, Context(0, x, y)).mean())

    assert mean("best") > mean("worst")


def _attentive(focus: Any, space: Space, seed: int) -> Attentive:
    return Attentive(space, seed, CostLevels(space, costs_in(space)), Oracle(), focus=focus)


class TestAttentive(PathSamplerSuite):
    @pytest.fixture(autouse=True, params=["best", "worst"])
    def sampler(self, request: pytest.FixtureRequest) -> None:
        self.make: Callable[[Space, int], Attentive] = partial(_attentive, request.param)
