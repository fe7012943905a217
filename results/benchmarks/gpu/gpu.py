"""What a GPU is used for, exercised in at most eight minutes; writes gpu.csv, a row a check, and the page.

Run from the repository root, on a machine with an NVIDIA GPU:

    python results/benchmarks/gpu/gpu.py --data-dir DATA     # DATA/cifar10 holds the batches; without it digits are used
    python results/benchmarks/gpu/gpu.py --dry-run --out OUT # everything at a tiny size on the CPU

A check that fails says so in its row, and the others go on.
"""

import argparse
import platform
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import distributed, nn

import nas
from nas.data import Data, load
from nas.errors import UsageError
from nas.hardware import make_target
from nas.hardware.timing import time_calls, warm_up
from nas.methods import BIGNAS
from nas.problem import Problem
from nas.training import CrossEntropy, PlainStep, Ranks, Recipe, train, train_phases
from search_spaces.mobilenet import mobilenet

FOLDER = Path(__file__).parent
SECONDS = 480.0
"""After which no further check begins."""


@dataclass(frozen=True)
class Sizes:
    """How much each check does.

    Attributes:
        seconds: for which a target is timed.
        space: that PC-DARTS searches.
    """

    device: str
    data: Data
    epochs: int
    batch: int
    seconds: float
    space: str
    search_epochs: int
    data_dir: Path | None

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"


Found = Iterator[tuple[str, float, str]]
"""What was measured, the number and its unit."""


def target(sizes: Sizes) -> Found:
    """The median time of a call of the largest network, by every setting of the target."""
    network = largest(sizes).cpu()
    settings = list(product((False, True), (False, True), ("float32", "float16"))) if sizes.on_gpu else []
    calls = {
        f"graph={graph}, compile={compiled}, {dtype}": make_target("cuda", dtype=dtype, graph=graph, compile=compiled)
        for graph, compiled, dtype in settings
    } or {"cpu": make_target("cpu")}
    for name, each in calls.items():
        started = time.perf_counter()
        call = each.prepare(network, sizes.data.input_shape)
        yield f"prepare, {name}", time.perf_counter() - started, "s"
        warm_up(call, sizes.seconds)
        yield f"call, {name}", statistics.median(time_calls(call, max_seconds=sizes.seconds)), "ms"


def data_on_device(sizes: Sizes) -> Found:
    """An epoch of augmented batches without any training."""
    split = sizes.data.train
    if split.device.type != sizes.device:
        raise UsageError(f"the images are on {split.device}; expected {sizes.device}.")
    started = time.perf_counter()
    for x, y in split.shuffled(sizes.batch, 0, sizes.data.augment):
        assert x.device.type == y.device.type == sizes.device
    wait(sizes)
    yield "epoch of batches", time.perf_counter() - started, "s"


def mixed_precision(sizes: Sizes) -> Found:
    """A step of training with and without mixed precision, and how far the losses are from each other."""
    losses = {}
    for amp in (False, True):
        history, seconds = trained(sizes, recipe_of(sizes, amp=amp))
        losses[amp] = history[-1]["loss"]
        yield f"step, amp={amp}", 1000 * seconds, "ms"
        yield f"last loss, amp={amp}", losses[amp], "nats"


def bare_loop(sizes: Sizes) -> Found:
    """The training loop of nas against ten lines of PyTorch that do the same."""
    recipe = recipe_of(sizes, amp=False)
    network = largest(sizes).train()
    optimizer, steps = recipe.make_optimizer(network), 0
    for epoch in range(recipe.epochs):
        if epoch == recipe.epochs - 1:
            wait(sizes)
            started = time.perf_counter()
        for x, y in sizes.data.train.shuffled(recipe.batch_size, (0, epoch), sizes.data.augment):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(network(x), y).backward()
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimizer.step()
            steps += epoch == recipe.epochs - 1
    wait(sizes)
    bare = (time.perf_counter() - started) / steps
    _, ours = trained(sizes, recipe)
    yield "step, bare loop", 1000 * bare, "ms"
    yield "step, nas", 1000 * ours, "ms"
    yield "nas against the bare loop", ours / bare, "times"


def supernet_step(sizes: Sizes) -> Found:
    """A step of the sandwich rule with distillation."""
    supernet = nas.Supernet(model(sizes)).to(sizes.device)
    recipe = recipe_of(sizes, amp=True)
    history = train_phases(BIGNAS.phases(Problem(supernet, sizes.data, 0, recipe)), seed=0)
    yield "images a second, sandwich rule", history[-1]["images_per_second"], "1/s"


def one_rank(sizes: Sizes) -> Found:
    """Training as one process of a group gives the bits of training without a group."""
    backend = "nccl" if sizes.on_gpu else "gloo"
    recipe, plain = recipe_of(sizes, amp=False), []
    with tempfile.TemporaryDirectory() as folder:
        distributed.init_process_group(backend, f"file://{folder}/group", rank=0, world_size=1)
        try:
            total = torch.ones(3, device=sizes.device)
            distributed.all_reduce(total)
            if total.tolist() != [1.0] * 3:
                raise UsageError(f"a sum over one process by {backend} is {total.tolist()}; expected ones.")
            for ranks in (Ranks(), Ranks(0, 1)):
                network = largest(sizes)
                phases = [nas.training.Phase(PlainStep(network, [CrossEntropy()]), sizes.data.train, recipe)]
                started = time.perf_counter()
                train_phases(phases, seed=0, ranks=ranks)
                yield (
                    f"training, {'group of one' if plain else 'no group'}, {backend}",
                    time.perf_counter() - started,
                    "s",
                )
                plain.append([each.detach().clone() for each in network.parameters()])
        finally:
            distributed.destroy_process_group()
    yield "largest difference of a weight", max(float((a - b).abs().max()) for a, b in zip(*plain, strict=True)), ""


def pc_darts(sizes: Sizes) -> Found:
    """A search by PC-DARTS, its network retrained and exported."""
    with tempfile.TemporaryDirectory() as folder:
        run = nas.Run(
            space=sizes.space,
            method="pc-darts",
            strategy="derived",
            task=sizes.data.name,
            data_dir=sizes.data_dir,
            limit=None if sizes.on_gpu else 64,
            constraints=[],
            candidates=1,
            random_baseline=0,
            device=sizes.device,
            target="cpu",
            profile={"seconds": 1.0, "networks": 4, "held_out": 3, "repeats": 2},
            training={"epochs": sizes.search_epochs, "batch_size": sizes.batch},
            retraining={"epochs": sizes.search_epochs, "batch_size": sizes.batch},
        )
        started = time.perf_counter()
        result = run.search("pc-darts", results=folder)
        yield "search, retraining and export", time.perf_counter() - started, "s"
        yield "test accuracy", 100 * float(result.row["best"]["test_accuracy"]), "%"


CHECKS: dict[str, Callable[[Sizes], Found]] = {
    "data on the device": data_on_device,
    "target": target,
    "mixed precision": mixed_precision,
    "bare loop": bare_loop,
    "supernet": supernet_step,
    "one rank": one_rank,
    "PC-DARTS": pc_darts,
}


def model(sizes: Sizes) -> nn.Module:
    return mobilenet(sizes.data.input_shape, sizes.data.output_shape[0], depths=(1,) if not sizes.on_gpu else None)


def largest(sizes: Sizes) -> nn.Module:
    supernet = nas.Supernet(model(sizes))
    return nas.nn.initialise(supernet.extract(supernet.space.largest()), 0).to(sizes.device)


def recipe_of(sizes: Sizes, amp: bool) -> Recipe:
    return Recipe(epochs=sizes.epochs, batch_size=sizes.batch, amp=amp)


def trained(sizes: Sizes, recipe: Recipe) -> tuple[list[nas.training.Epoch], float]:
    """The epochs of training the largest network alone, and the seconds of a step of the last one."""
    data = sizes.data
    history = train(PlainStep(largest(sizes), [CrossEntropy()]), data.train, recipe, seed=0, augment=data.augment)
    return history, recipe.batch_size / history[-1]["images_per_second"]


def wait(sizes: Sizes) -> None:
    """Until the GPU has done what it was told."""
    if sizes.on_gpu:
        torch.cuda.synchronize()


def rows(sizes: Sizes, seconds: float) -> Iterator[dict[str, object]]:
    """Every check, until the time is over."""
    started = time.perf_counter()
    for name, check in CHECKS.items():
        if time.perf_counter() - started > seconds:
            yield {"check": name, "what": "left out, since the time was over"}
            continue
        try:
            for what, number, unit in check(sizes):
                yield {"check": name, "what": what, "number": number, "unit": unit}
        except Exception as error:  # one check must not keep the others from a machine that is lent for minutes
            traceback.print_exc()
            yield {"check": name, "what": f"failed: {type(error).__name__}: {error}"}


def sizes_of(dry: bool, data_dir: Path | None) -> Sizes:
    folder = data_dir / "cifar10" if data_dir is not None else None
    if dry:
        return Sizes("cpu", load("digits", limit=64), 1, 32, 0.1, "toy_cell", 1, None)
    if not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no GPU here; --dry-run does everything on the CPU at a tiny size.")
    data = load("cifar10" if folder else "digits", folder, device="cuda")
    return Sizes("cuda", data, 3, 256, 1.0, "darts", 2, folder)


def page(table: pd.DataFrame, where: str) -> str:
    shown = table.fillna("").astype({"number": str})
    lines = [
        f"| {each['check']} | {each['what']} | {each['number']} | {each['unit']} |" for _, each in shown.iterrows()
    ]
    about = (__doc__ or "").split("\n\n", maxsplit=1)[0]
    head = ["| check | what | number | unit |", "| --- | --- | --- | --- |"]
    command = "Command: `python results/benchmarks/gpu/gpu.py --data-dir DATA`; the same numbers: `gpu.csv`."
    return "\n".join(["# On a GPU", "", about, "", f"{where}. {command}", "", *head, *lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    asked = parser.parse_args()
    sizes = sizes_of(asked.dry_run, asked.data_dir)
    table = pd.DataFrame(rows(sizes, asked.seconds), columns=["check", "what", "number", "unit"])
    table["number"] = table["number"].map(lambda number: float(f"{number:.4g}"))
    where = torch.cuda.get_device_name() if sizes.on_gpu else f"{platform.processor()}, a dry run"
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "gpu.csv", index=False)
    (asked.out / "README.md").write_text(page(table, f"{where}, PyTorch {torch.__version__}"))
    print(table.to_string())


if __name__ == "__main__":
    main()
