"""What size of network is best when its training time is over? The rule that a plan follows comes from these rows.

    python results/benchmarks/equal_time/network_size.py --data-dir DATA --seconds 42 --sizes 0.15 0.28 --sizes 0.28 0.4

Of ten random networks of each size (their FLOPs as a share of the bound, half of the largest network's) the fastest two
are trained for as many steps as they would have in so many seconds: how fast each is, is measured in turn with the
largest network, for which ``--largest`` tells the seconds of a step. So rows do not depend on how busy the machine is.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from nas.evaluation import Standalone
from nas.evaluation.metrics import evaluate
from nas.retraining.legs import Leg
from nas.setup import resolve
from nas.setup.run_setup import Setup
from nas.space import Architecture

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from kept_rows import KeptRows

SPACE = {"widths": [16, 24, 40], "strides": [1, 2, 2], "depths": [1, 2, 3], "kernels": [3, 5]}
KEY = ("seconds", "seed", "least", "most", "place")
COLUMNS = (*KEY, "flops_share", "time_share", "steps", "test")
_NETWORKS, _TRAINED, _DRAWS, _BATCH, _TIMED_STEPS, _FEWEST_EPOCHS = 10, 2, 4000, 64, 3, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="with the folder cifar10")
    parser.add_argument("--seconds", type=float, default=42)
    parser.add_argument("--sizes", type=float, nargs=2, action="append", required=True, help="shares of the bound")
    parser.add_argument("--largest", type=float, default=0.1, help="seconds of a step of the largest network")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    setup, rows = setup_of(asked.data_dir, asked.seed), KeptRows(HERE / "network_size.csv", KEY, COLUMNS)
    largest = setup.space.largest()
    for least, most in asked.sizes:
        drawn = networks(setup, least, most)
        speeds = sorted((time_share(setup, each, largest), each.key, each) for each in drawn)
        for place, (share, _, architecture) in enumerate(speeds[:_TRAINED]):
            row = {"seconds": asked.seconds, "seed": asked.seed, "least": least, "most": most, "place": place}
            if row in rows:
                continue
            steps = int(asked.seconds / (share * asked.largest))
            flops = size(setup, architecture)
            test = trained(setup, architecture, steps, asked.seed)
            rows.add({**row, "flops_share": flops, "time_share": share, "steps": steps, "test": test})


def setup_of(data_dir: Path, seed: int) -> Setup:
    values = {
        "space": "mobilenet",
        "space_args": SPACE,
        "task": "cifar10",
        "data_dir": str(data_dir / "cifar10"),
        "image_size": 16,
        "limit": 10000,
        "constraints": ["flops <= 50% of largest"],
        "training": {"batch_size": _BATCH},
        "seed": seed,
    }
    return Setup(resolve(values, "network_size.py"))


def size(setup: Setup, architecture: Architecture) -> float:
    """FLOPs as a share of the bound."""
    largest = setup.costs_of(setup.space.largest())
    return setup.costs_of(architecture)["flops"] / setup.constraints[0].resolve(largest).bound


def networks(setup: Setup, least: float, most: float) -> list[Architecture]:
    draws, found = np.random.default_rng(setup.config.seed), dict[Architecture, None]()
    for _ in range(_DRAWS):
        drawn = setup.space.sample(draws)
        if least <= size(setup, drawn) < most:
            found[drawn] = None
        if len(found) == _NETWORKS:
            break
    return list(found)


def time_share(setup: Setup, architecture: Architecture, largest: Architecture) -> float:
    """Time of a training step over that of the largest network, the less of two that are measured in turn."""
    return min(step_seconds(setup, architecture) / step_seconds(setup, largest) for _ in range(2))


def step_seconds(setup: Setup, architecture: Architecture) -> float:
    times = list[float]()
    recipe = Leg(_TIMED_STEPS, _BATCH).recipe(setup.config.retraining, setup.config.retraining.learning_rate, 0.0)
    trainer = Standalone(setup.supernet, setup.data, recipe)
    trainer.train(architecture, on_epoch=lambda _: times.append(time.process_time()))
    return float(np.diff(times).min())


def trained(setup: Setup, architecture: Architecture, steps: int, seed: int) -> float:
    """Test accuracy after so many steps from fresh weights."""
    leg = Leg.of(steps * _BATCH, setup.data.train.steps(_BATCH) * _BATCH, _FEWEST_EPOCHS)
    recipe = leg.recipe(setup.config.retraining, setup.config.retraining.learning_rate, 0.0)
    network = Standalone(setup.supernet, setup.data, recipe, seed).train(architecture).eval()
    return evaluate(network, setup.data.at(architecture).test.batches(256), setup.data.task)["accuracy"]


if __name__ == "__main__":
    main()
