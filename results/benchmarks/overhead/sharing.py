"""What sharing schemes cost: a training step of the same paths under each, paired with one under plain sharing.

Run from the repository root on a quiet machine:  python results/benchmarks/overhead/sharing.py
Writes results/benchmarks/overhead/sharing.csv and results/benchmarks/overhead/sharing.md.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import torch
from overhead import paired, step
from torch import Tensor, nn

import nas
from nas.sharing import BalancedMixture, FewShot, RoutedExperts, Shared, Sharing, Tied
from nas.training import Recipe
from search_spaces.chain import chain
from search_spaces.resnet_pooling import resnet_pooling
from search_spaces.toy_cell import toy_cell
from search_spaces.transformer_lm import transformer_lm

FOLDER = Path(__file__).parent
PATHS = 5
ROUNDS = 2
BATCH = 32


class Bypassed(nas.Supernet):
    """A supernet that knows of no sharing scheme while it runs, as before there were any."""

    def weights(self, within: str = "") -> nullcontext[None]:
        return nullcontext()


def images(size: int, channels: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, channels, size, size), torch.randint(0, 10, (BATCH,))


def text() -> tuple[Tensor, Tensor]:
    return torch.randint(0, 65, (BATCH, 64)), torch.randint(0, 65, (BATCH, 64))


SPACES: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, Tensor]]]] = {
    "resnet_pooling": (lambda: resnet_pooling((3, 16, 16), 10, blocks=7, widths=(8, 16, 32)), lambda: images(16)),
    "chain": (lambda: chain((3, 16, 16), 10), lambda: images(16)),
    "toy_cell": (lambda: toy_cell((1, 14, 14), 10, width=16), lambda: images(14, 1)),
    "transformer_lm": (lambda: transformer_lm((64,), 65), text),
}

CASES: list[tuple[str, str, Callable[[], Sharing]]] = [
    *((space, "shared", Shared) for space in SPACES),
    *((space, "balanced mixture, M=4", lambda: BalancedMixture(models=4)) for space in list(SPACES)[:3]),
    ("toy_cell", "few-shot, M=4", FewShot),
    ("transformer_lm", "routed experts by layer, M=2", lambda: RoutedExperts(experts=2)),
    ("transformer_lm", "routed experts by neuron, M=2", lambda: RoutedExperts(experts=2, neuron_wise=True)),
    ("transformer_lm", "tied layers", Tied),
]


def compare(space: str, name: str, sharing: Callable[[], Sharing]) -> dict[str, object]:
    """The median ratio over some paths, and the tensors that are kept for training."""
    make, data = SPACES[space]
    torch.manual_seed(0)
    supernet, plain = nas.Supernet(make(), sharing()), Bypassed(make())
    optimizers = [Recipe().make_optimizer(each) for each in (supernet, plain)]
    x, y = data()
    ratios, times = [], []
    for seed in range(PATHS):
        architecture = supernet.space.sample(seed)
        known = plain.space.complete({key: value for key, value in architecture.items() if key in plain.space.choices})

        def run(
            each: nas.Supernet, optimizer: torch.optim.Optimizer, chosen: nas.Architecture, bank: int | None
        ) -> Callable[[], None]:
            def one() -> None:
                each.activate(chosen, bank)
                step(each, optimizer, x, y)

            return one

        bank = seed % supernet.sharing.banks if supernet.bank is not None else None
        first, second = run(supernet, optimizers[0], architecture, bank), run(plain, optimizers[1], known, None)
        for _ in range(ROUNDS):
            own, theirs, ratio = paired(first, second, seconds=1.0)
            ratios.append(ratio)
            times.append((own, theirs))
    memory = [_kept(each, optimizer) for each, optimizer in zip((supernet, plain), optimizers, strict=True)]
    row = {
        "space": space,
        "scheme": name,
        "ms": pd.Series([own for own, _ in times]).median(),
        "plain_ms": pd.Series([theirs for _, theirs in times]).median(),
        "ratio": pd.Series(ratios).median(),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "memory": memory[0] / memory[1],
    }
    print(row, flush=True)
    return row


def _kept(supernet: nas.Supernet, optimizer: torch.optim.Optimizer) -> int:
    """Bytes of weights, buffers and optimiser state."""
    state = [value for each in optimizer.state.values() for value in each.values() if torch.is_tensor(value)]
    tensors = [*supernet.parameters(), *supernet.buffers(), *state]
    return sum(each.numel() * each.element_size() for each in tensors)


def main() -> None:
    torch.set_num_threads(1)
    table = pd.DataFrame([compare(*case) for case in CASES])
    table.to_csv(FOLDER / "sharing.csv", index=False, float_format="%.4g")
    lines = ["| space | scheme | step against plain sharing (range) | memory kept |", "| --- | --- | --- | --- |"]
    for row in table.to_dict("records"):
        spread = f"{row['ratio']:.3f} ({row['ratio_min']:.3f} to {row['ratio_max']:.3f})"
        lines.append(f"| {row['space']} | {row['scheme']} | {spread} | {row['memory']:.2f} |")
    (FOLDER / "sharing.md").write_text(
        "# What sharing schemes cost\n\n"
        "Time of activate, forward, backward and SGD step under a scheme, divided by that of a supernet whose forward "
        f"knows of none; median of alternating pairs over {PATHS} random paths in {ROUNDS} rounds, batches of {BATCH}, one "
        f"thread, torch {torch.__version__}. Memory: weights, buffers and momentum. What feedback costs beside the step "
        "(a validation batch in every bank of a balanced mixture, gradients at the splits of gradient matching) is not in it.\n\n"
        + "\n".join(lines)
        + "\n\nCommand: `python results/benchmarks/overhead/sharing.py`\n"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
