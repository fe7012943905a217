"""How far behind training alone are subnets of a language model, with one set of weights and with routed experts?

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/sharing/transformer.py
Reads tinyshakespeare/ from the folder named by NAS_SHARED_DATA (default: data in the current folder). Trains some
subnets alone, then a supernet for each scheme and seed, minutes each; what is in transformer_alone.csv and
transformer.csv is not trained again, so the command continues where it was stopped. summary.py reads both.
"""

import os
import time
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from nas import Architecture, Supernet
from nas.data import Data, load
from nas.evaluation import SharedWeights, Standalone
from nas.files import write_file
from nas.methods import METHODS
from nas.problem import Problem
from nas.training import Recipe, train_phases
from search_spaces.transformer_lm import transformer_lm

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NAS_SHARED_DATA", "data"))

WINDOWS, RANDOM, SEEDS, ALONE_SEEDS = 8_000, 5, range(3), range(2)
RECIPE = Recipe(**{**METHODS["mixture-of-supernets"].recipe, "epochs": 4, "batch_size": 32})
"""Of supernets and of subnets that are trained alone: 1,000 steps."""

SCHEMES = {
    "shared": ("bignas", {}),
    "routed by layer": ("mixture-of-supernets", {"experts": 2, "noise": 0.1}),
    "routed by neuron": ("mixture-of-supernets", {"experts": 2, "noise": 0.1, "neuron_wise": True}),
    "routed by layer, experts of their own": ("mixture-of-supernets", {"experts": 2}),
}
"""Name → a method, whose scheme is used, and the scheme's options. The step is that of mixture-of-supernets."""


def text() -> Data:
    return load("text", data_dir=DATA / "tinyshakespeare", limit=WINDOWS)


def model(data: Data) -> nn.Module:
    return transformer_lm(data.input_shape, data.output_shape[0], widths=(32, 64), depths=(2, 3), heads=(2, 4))


def subnets(supernet: Supernet) -> list[Architecture]:
    """The smallest, the largest and some random ones, the same for every scheme."""
    space = supernet.space
    random = (space.sample(seed) for seed in range(RANDOM))
    return list(dict.fromkeys([space.smallest(), space.largest(), *random]))


def train_alone(data: Data) -> None:
    for seed in ALONE_SEEDS:
        supernet = Supernet(model(data))
        for architecture in subnets(supernet):
            this = {"id": architecture.id, "seed": seed}
            if is_done("transformer_alone", this):
                continue
            started = time.process_time()
            (found,) = Standalone(supernet, data, RECIPE, seed=seed)([architecture]).to_dict("records")
            seconds = time.process_time() - started
            size = sum(parameter.numel() for parameter in supernet.extract(architecture).parameters())
            row = {"bits": found["bits_per_character"], "params": size, "cpu_seconds": seconds}
            store("transformer_alone", [{**this, **row}])


def train_supernet(data: Data, scheme: str, seed: int) -> None:
    name, options = SCHEMES[scheme]
    if is_done("transformer", {"scheme": scheme, "seed": seed}):
        return
    torch.manual_seed(seed)
    supernet = Supernet(model(data), METHODS[name].make_sharing(options, seed))
    problem = Problem(supernet, data, seed, RECIPE)
    started = time.process_time()
    history = train_phases(METHODS["mixture-of-supernets"].phases(problem), seed=seed)
    routing = history[-1].get("routing", {})
    seconds = time.process_time() - started
    architectures = subnets(supernet)
    found = SharedWeights(supernet, data)(architectures)["bits_per_character"]
    size = sum(parameter.numel() for parameter in supernet.parameters())
    row = {"scheme": scheme, "seed": seed, "parameters": size, "cpu_seconds": seconds, **routing}
    each = zip(architectures, found, strict=True)
    store("transformer", [{**row, "id": architecture.id, "bits": bits} for architecture, bits in each])


def stored(name: str) -> pd.DataFrame:
    path = HERE / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame({"scheme": [], "seed": [], "id": []})


def is_done(name: str, this: dict[str, object]) -> bool:
    return bool((stored(name)[list(this)] == pd.Series(this)).all(axis=1).any())


def store(name: str, rows: list[dict[str, object]]) -> None:
    joined = pd.DataFrame([*stored(name).to_dict("records"), *rows])
    write_file(HERE / f"{name}.csv", joined.to_csv(index=False, float_format="%.6g"))
    print(rows[-1], flush=True)


def main() -> None:
    torch.set_num_threads(1)
    data = text()
    train_alone(data)
    for seed in SEEDS:
        for scheme in SCHEMES:
            train_supernet(data, scheme, seed)


if __name__ == "__main__":
    main()
