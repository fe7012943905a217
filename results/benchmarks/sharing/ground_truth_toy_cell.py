"""Can the published accuracies of cells, one training each, judge a ranking? Some cells trained alone, twice.

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/sharing/ground_truth_toy_cell.py
Reads what ``toy_cell.py`` says. Trains some of the cells that supernets score on the data and at the size of the
supernets; a training that is in ground_truth_toy_cell.csv is not done again, so the command continues where it was
stopped.
"""

import time
from itertools import product

import pandas as pd
import torch
from toy_cell import OWN, RECIPE, images, model, truth

from nas import Supernet
from nas.evaluation import Standalone
from nas.files import write_file
from nas.space import Architecture

SEEDS, CELLS = range(2), 12


def main() -> None:
    torch.set_num_threads(1)
    data = images(0)
    for seed, key in product(SEEDS, truth()["key"].head(CELLS)):
        done = pd.read_csv(OWN) if OWN.exists() else pd.DataFrame({"key": [], "seed": []})
        if ((done["key"] == key) & (done["seed"] == seed)).any():
            continue
        supernet = Supernet(model(data))
        architecture = supernet.space.architecture(Architecture.from_json(key))
        started = time.process_time()
        (found,) = Standalone(supernet, data, RECIPE, seed=seed)([architecture]).to_dict("records")
        row = {"key": key, "seed": seed, "accuracy": found["accuracy"], "seconds": time.process_time() - started}
        write_file(OWN, pd.DataFrame([*done.to_dict("records"), row]).to_csv(index=False, float_format="%.5g"))
        print(row, flush=True)


if __name__ == "__main__":
    main()
