"""How good is each placement of the halvings when its network is trained alone?

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/sharing/ground_truth_pooling.py
Reads cifar10/ as ``pooling.py`` says. Trains the 21 placements twice, about a minute each; one that is in
ground_truth_pooling.csv is not trained again, so the command continues where it was stopped. The rows hold the accuracy
and loss on the 5,000 validation images; test images are not read. The command ends with how well the two trainings
agree, the most that any ranking of these networks can be expected to agree with them.
"""

import time
from itertools import combinations, product

import pandas as pd
import torch
from pooling import RECIPE, TRUTH, images, supernet
from scipy.stats import kendalltau

from nas.costs import StaticCosts
from nas.evaluation import Standalone
from nas.files import write_file

SEEDS = range(2)


def stored() -> pd.DataFrame:
    return pd.read_csv(TRUTH) if TRUTH.exists() else pd.DataFrame({"placement": [], "seed": []})


def store(row: dict[str, object]) -> None:
    """Adds a network at the end of the table."""
    rows = [*stored().to_dict("records"), row]
    write_file(TRUTH, pd.DataFrame(rows).to_csv(index=False, float_format="%.5g"))


def agreement(table: pd.DataFrame) -> float:
    """The mean Kendall tau-b between the accuracies of two seeds."""
    seeds = table.pivot(index="placement", columns="seed", values="accuracy")
    taus = [kendalltau(seeds[first], seeds[second]).statistic for first, second in combinations(seeds, 2)]
    return sum(taus) / len(taus)


def main() -> None:
    torch.set_num_threads(1)
    data, networks = images(), supernet()
    costs = StaticCosts(networks, data.input_shape)
    for seed, placement in product(SEEDS, networks.options["downsampling"]):
        done = stored()
        if ((done["placement"] == placement) & (done["seed"] == seed)).any():
            continue
        architecture = {"downsampling": placement}
        started = time.process_time()
        (found,) = Standalone(networks, data, RECIPE, seed=seed)([architecture]).to_dict("records")
        seconds = time.process_time() - started
        cost = costs(architecture)
        row = {"placement": placement, "seed": seed, "accuracy": found["accuracy"], "loss": found["loss"]}
        store({**row, "params": cost["params"], "flops": cost["flops"], "seconds": seconds})
        print(placement, seed, round(found["accuracy"], 4), round(seconds, 1), flush=True)
    print(f"Kendall tau-b between the seeds: {agreement(stored()):.3f}")


if __name__ == "__main__":
    main()
