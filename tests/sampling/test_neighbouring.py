"""Paths of one level of a cost: the walk over the levels, and what they remember."""

from typing import Any

import numpy as np
import pytest
import torch
from known_costs import SIZES, costs_in, table
from tiny import check_resumed, elastic, split

import nas
from nas.sampling import CostLevels, Neighbouring, PathMemory
from nas.sampling.neighbouring import _BLOCK
from nas.space import Architecture, Space
from nas.testing import PathSamplerSuite
from nas.training import Context, CrossEntropy, Path, Recipe, SupernetStep

LEVELS = CostLevels(SIZES, table, levels=8)


def test_the_level_moves_by_one_at_most_and_visits_all_alike() -> None:
    sampler = Neighbouring(SIZES, 0, LEVELS)
    walk = np.array([sampler.level(step) for step in range(120_000)])
    moves = np.diff(walk)
    assert set(moves.tolist()) == {-1, 0, 1}
    inside = (walk[:-1] > 0) & (walk[:-1] < 7)
    assert np.bincount(moves[inside] + 1) / inside.sum() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert (moves[walk[:-1] == 0] == 1).mean() == pytest.approx(1 / 3, abs=0.02), "one that would leave stays"
    assert np.bincount(walk, minlength=8) / len(walk) == pytest.approx([1 / 8] * 8, abs=0.04)


def test_the_level_is_a_function_of_the_step() -> None:
    steps = [3 * _BLOCK + 5, 7, _BLOCK, 3 * _BLOCK + 4]
    sampler, fresh = Neighbouring(SIZES, 0, LEVELS), [Neighbouring(SIZES, 0, LEVELS) for _ in steps]
    assert [sampler.level(step) for step in steps] == [
        each.level(step) for each, step in zip(fresh, steps, strict=True)
    ]
    assert len({tuple(Neighbouring(SIZES, seed, LEVELS).level(step) for step in range(20)) for seed in range(5)}) == 5


def test_all_paths_of_a_step_are_of_one_level_and_the_small_one_goes_with_it() -> None:
    sampler = Neighbouring(SIZES, 0, LEVELS)
    small: dict[int, set[Architecture]] = {0: set(), 1: set(), 2: set()}
    for step in range(600):
        *random, last = sampler.draw(Context(step))
        level = sampler.level(step)
        assert [path.role for path in random] == ["random"] * 3 and last.role == "small"
        assert {LEVELS.of(path.architecture) for path in random} == {level}
        assert LEVELS.of(last.architecture) <= level
        small[3 * level // 8].add(last.architecture)
    assert small[0] == {SIZES.smallest()}
    assert all(len(each) == 1 for each in small.values()) and len(set.union(*small.values())) == 3


def test_a_memory_keeps_the_lowest_losses() -> None:
    memory, draws = PathMemory(levels=2, size=4), np.random.default_rng(0)
    drawn = list(dict.fromkeys(SIZES.sample(draws) for _ in range(10)))
    for number, each in enumerate(drawn):
        memory.update(1, each, loss=float((7 * number) % 10))
        assert len(memory.losses[1]) <= 4
    assert sorted(memory.losses[1].values()) == [0, 1, 2, 3] and not memory.losses[0]
    best = min(memory.losses[1], key=lambda each: memory.losses[1][each])
    memory.update(1, best, loss=9.0)
    assert memory.losses[1][best] == 9.0, "losses are renewed"
    again = PathMemory(levels=2, size=4)
    again.from_tensor(memory.to_tensor())
    assert again.losses == memory.losses


def test_a_memory_draws_by_the_softmax_of_losses() -> None:
    memory, draws = PathMemory(levels=1, size=10), np.random.default_rng(0)
    losses = {SIZES.smallest(): 1.0, SIZES.largest(): 2.0}
    for each, loss in losses.items():
        memory.update(0, each, loss)
    share = np.mean([memory.draw(0, draws) == SIZES.smallest() for _ in range(4000)])
    assert share == pytest.approx(1 / (1 + np.exp(-1)), abs=0.03)


@pytest.mark.parametrize(("done", "share"), [(0.0, 0.2), (0.5, 0.5), (1.0, 0.8)])
def test_a_share_of_the_paths_is_remembered_once_a_level_knows_enough(done: float, share: float) -> None:
    sampler = Neighbouring(SIZES, 0, LEVELS, memory=10)
    context = Context(0, recipe=Recipe(epochs=10), recipe_epoch=round(10 * done))
    draws = np.random.default_rng(1)
    for level in range(8):
        while not sampler.memory.is_half_full(level):
            sampler.memory.update(level, LEVELS.draw(level, draws), 1.0)
    remembered = {each for level in sampler.memory.losses for each in level}
    paths = [path for step in range(800) for path in sampler.draw(Context(step, **_where(context)))[:-1]]
    found = np.mean([path.architecture in remembered for path in paths])
    assert found == pytest.approx(share, abs=0.06)
    empty = Neighbouring(SIZES, 0, LEVELS, memory=10)
    assert all(path.architecture not in remembered for path in empty.draw(Context(0, **_where(context)))[:-1])


def _where(context: Context) -> dict[str, object]:
    return {"recipe": context.recipe, "recipe_epoch": context.recipe_epoch}


def test_what_was_trained_is_remembered_at_its_level() -> None:
    sampler = Neighbouring(SIZES, 0, LEVELS)
    paths = [Path(SIZES.largest(), "random"), Path(SIZES.smallest(), "small")]
    sampler.after_step(Context(0, paths=paths, losses=[torch.tensor(1.5), torch.tensor(2.5)]))
    assert sampler.memory.losses[7] == {SIZES.largest(): 1.5} and not sampler.memory.losses[0]
    assert sampler.record() == {"remembered": [0] * 7 + [1]}


def test_a_training_that_goes_on_ends_bit_for_bit_alike(tmp_path: Any) -> None:
    def run(**options: Any) -> nas.Supernet:
        supernet = elastic()
        levels = CostLevels(supernet.space, costs_in(supernet.space), levels=3)
        paths = Neighbouring(supernet.space, 3, levels, memory=3)
        step = SupernetStep(supernet, paths, [CrossEntropy()])
        nas.train(step, split(), Recipe(epochs=4, batch_size=8), seed=5, **options)
        return supernet

    check_resumed(run, tmp_path / "checkpoint.safetensors")


class TestNeighbouring(PathSamplerSuite):
    def make(self, space: Space, seed: int) -> Neighbouring:
        return Neighbouring(space, seed, CostLevels(space, costs_in(space), levels=4))
