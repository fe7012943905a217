"""Nothing is trained: any function of an architecture is searched, here the energy and speed of a made-up chip."""

from collections.abc import Sequence

import pandas as pd

import nas
from nas.search import Objective, make_strategy, search

SPACE = nas.Space({"cores": [1, 2, 4, 8, 16], "cache_kb": [64, 128, 256, 512], "clock_mhz": [400, 800, 1200]})


def simulate(architectures: Sequence[nas.Architecture]) -> pd.DataFrame:
    """A row for each architecture."""
    return pd.DataFrame([one(architecture) for architecture in architectures])


def one(architecture: nas.Architecture) -> dict[str, float]:
    """Milliseconds and millijoules of a job of which a tenth cannot be shared among cores."""
    cores, cache, clock = (architecture[name] for name in ("cores", "cache_kb", "clock_mhz"))
    milliseconds = (0.1 + 0.9 / cores) * 1e5 / clock * (1 + 32 / cache)
    return {"ms": milliseconds, "mj": milliseconds * cores * (clock / 1000) ** 2 + cache / 10}


if __name__ == "__main__":
    found = search(
        SPACE,
        simulate,
        make_strategy("tpe", SPACE, seed=0),
        objectives=[Objective("ms", maximise=False)],
        constraints=["mj <= 200"],
        budget=40,
        batch=1,
    )
    print(found.sort_values("ms").head())
