"""Which sharing between the layers of a language model loses least at equal parameters?

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/sharing/layers.py
Reads tinyshakespeare/ from the folder named by NAS_SHARED_DATA (default: data in the current folder). For each seed it
trains a network of six layers for each scheme, half a minute each, then makes networks that share of the one with
weights of its own and trains them a little. A seed that is in layers.csv is not trained again. summary.py reads it.
"""

import time
from collections.abc import Callable, Mapping

import torch
from torch import nn
from transformer import RECIPE, is_done, store, text

from nas import Supernet
from nas.data import Data
from nas.evaluation import SharedWeights
from nas.sampling import Uniform
from nas.sharing import AttentionAtoms, HashedBank, RelaxedTied, Shared, Sharing
from nas.training import CrossEntropy, Recipe, SupernetStep, train
from search_spaces.transformer_lm import transformer_lm

SEEDS, LAYERS, UNTIED = range(3), 6, "untied"
FRESH = RECIPE.model_copy(update={"epochs": 2, "batch_size": 16, "warmup_epochs": 0.2})
"""1,000 steps."""
TUNING = RECIPE.model_copy(update={"epochs": 1, "batch_size": 40, "learning_rate": 1e-3, "warmup_epochs": 0.1})
"""200 steps from a trained network."""

SCHEMES: Mapping[str, Callable[[int], Sharing]] = {
    UNTIED: lambda seed: Shared(),
    "two layers in a loop": lambda seed: RelaxedTied(2, (0,)),
    "one layer in a loop, rank 3": lambda seed: RelaxedTied(1, (3,)),
    "hashed layers": lambda seed: HashedBank(0.3145, 16, "layers.*", seed),
    "two atoms in attention": lambda seed: AttentionAtoms([2], seed=seed),
    "hashed attention": lambda seed: HashedBank(1 / 3, 16, "*att*weight", seed),
}
"""Shares of hashed banks are those with which as many parameters are stored as by what stands above them."""

MADE: Mapping[str, Callable[[], Sharing]] = {
    "two layers in a loop, average": lambda: RelaxedTied(2, (0,), "average"),
    "rank 8, average": lambda: RelaxedTied(2, (8,), "average"),
    "rank 8, stepwise": lambda: RelaxedTied(2, (8,), "stepwise"),
    "rank 8, lower": lambda: RelaxedTied(2, (8,), "lower"),
    "two atoms in attention, trained": lambda: AttentionAtoms([2], start="trained"),
}
"""Of a trained network."""


def model(data: Data) -> nn.Module:
    return transformer_lm(
        data.input_shape, data.output_shape[0], widths=(48,), depths=(LAYERS,), heads=(3,), ratios=(2,)
    )


def trained(supernet: Supernet, data: Data, recipe: Recipe, seed: int) -> Supernet:
    """The only architecture of a space, trained."""
    step = SupernetStep(supernet, Uniform(supernet.space, seed), [CrossEntropy()])
    train(step, data.train, recipe, seed=seed)
    return supernet


def bits(supernet: Supernet, data: Data) -> float:
    return float(SharedWeights(supernet, data)([supernet.space.largest()])["bits_per_character"].iloc[0])


def run(data: Data, seed: int) -> None:
    rows, own = [], model(data).state_dict()
    for name, sharing in SCHEMES.items():
        torch.manual_seed(seed)
        started, supernet = time.process_time(), Supernet(model(data), sharing(seed))
        trained(supernet, data, FRESH, seed)
        found = {"bits": bits(supernet, data), "stored": supernet.stored_parameters()}
        rows.append({"scheme": name, "seed": seed, **found, "cpu_seconds": time.process_time() - started})
        print(rows[-1], flush=True)
        if name == UNTIED:
            own = {key: tensor.clone() for key, tensor in supernet.model.state_dict().items()}
    for name, sharing_of in MADE.items():
        started, network = time.process_time(), model(data)
        network.load_state_dict(own)
        supernet = Supernet(network, sharing_of())
        before = bits(supernet, data)
        trained(supernet, data, TUNING, seed)
        found = {"before": before, "bits": bits(supernet, data), "stored": supernet.stored_parameters()}
        rows.append({"scheme": name, "seed": seed, **found, "cpu_seconds": time.process_time() - started})
        print(rows[-1], flush=True)
    store("layers", rows)


def main() -> None:
    torch.set_num_threads(1)
    data = text()
    for seed in SEEDS:
        if not is_done("layers", {"seed": seed}):
            run(data, seed)


if __name__ == "__main__":
    main()
