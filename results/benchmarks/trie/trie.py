"""Evaluating a population as a prefix trie against one candidate at a time: same numbers, less work.

Run from the repository root:  python results/benchmarks/trie/trie.py
Writes results/benchmarks/trie/README.md.
"""

import time
from pathlib import Path

import pandas as pd
import torch

import nas
from nas.costs import StaticCosts
from nas.data import load
from nas.evaluation import SharedWeights
from nas.sampling import Uniform
from nas.search import Evolution, Objective, search
from nas.training import CrossEntropy, Recipe, SupernetStep, train
from search_spaces.chain import chain

SEED = 0


def choice_blocks(supernet: nas.Supernet, architectures: list[nas.Architecture]) -> tuple[int, int]:
    """Blocks under a choice (not stem, head and classifier) that the trie runs, and that single runs would."""
    prefixes, alone = set(), 0
    for architecture in architectures:
        supernet.activate(architecture)
        keys: tuple[object, ...] = ()
        for key, segment in supernet.segments():
            keys += (key,)
            if segment.path.startswith("layer"):
                prefixes.add(keys)
                alone += 1
    return len(prefixes), alone


def main() -> None:
    torch.set_num_threads(1)
    data = load("digits", seed=SEED)
    torch.manual_seed(SEED)
    supernet = nas.Supernet(chain(input_shape=data.input_shape, classes=10))
    step = SupernetStep(supernet, Uniform(supernet.space, SEED), [CrossEntropy()])
    train(step, data.train, Recipe(epochs=40), seed=SEED, augment=data.augment)
    evaluator = SharedWeights(supernet, data)
    costs = StaticCosts(supernet, data.input_shape)
    found = search(
        supernet.space,
        evaluator,
        Evolution(supernet.space, SEED, population=50, tournament=10),
        objectives=[Objective("accuracy", maximise=True), Objective("flops", maximise=False)],
        costs=lambda batch: pd.DataFrame([costs(architecture) for architecture in batch]),
        budget=500,
    )
    population = [nas.Architecture.from_json(text) for text in found["architecture"].tail(50)]
    rows = []
    for _ in range(5):
        evaluator.blocks = evaluator.blocks_alone = 0
        start = time.perf_counter()
        together = evaluator(population)
        middle = time.perf_counter()
        blocks, blocks_alone = evaluator.blocks, evaluator.blocks_alone
        single = pd.concat([evaluator([architecture]) for architecture in population], ignore_index=True)
        rows.append((middle - start, time.perf_counter() - middle))
        assert together.equals(single), "the trie must give the same numbers, bit for bit"
    trie, single_time = (sorted(column)[2] for column in zip(*rows, strict=True))
    ratio = sorted(b / a for a, b in rows)[2]
    choice, choice_alone = choice_blocks(supernet, population)
    everything, everything_alone = choice_blocks(supernet, list(supernet.space))
    text = f"""# Prefix trie against one candidate at a time

Space `chain` on digits, calibration included, one thread; the numbers of all candidates were equal bit for bit.

| population | blocks run, trie | blocks run, one by one | fewer | time, trie | time, one by one | faster |
| --- | --- | --- | --- | --- | --- | --- |
| last 50 of a 500-candidate evolution, choice blocks | {choice} | {choice_alone} | {choice_alone / choice:.2f}x | | | |
| the same, stem, head and classifier too | {blocks} | {blocks_alone} | {blocks_alone / blocks:.2f}x | {trie:.2f} s | {single_time:.2f} s | {ratio:.2f}x |
| all {len(list(supernet.space)):,} architectures, choice blocks | {everything:,} | {everything_alone:,} | {everything_alone / everything:.2f}x | | | |

A choice block is one layer of the chain; every candidate has a head and a classifier of its own behind them, which
nothing can share. Times are medians of five alternating runs.

Command: `python results/benchmarks/trie/trie.py`
"""
    (Path(__file__).parent / "README.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
