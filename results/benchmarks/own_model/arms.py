"""How people get a faster network out of the one that they have."""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contest import FINE, WIDTHS, Contest, Delivered
from networks import NETWORKS
from torch import nn

import nas

sys.path.append(str(Path(__file__).parents[1]))
from own_process import run_command

__all__ = ["ARMS", "COMMANDS"]

_SHARES = [share / 20 for share in range(4, 21)]
"""Widths that are tried for all layers alike."""


def search(contest: Contest) -> Delivered:
    """`nas search --model`, with the method of a run that is given a time."""
    return _command(contest, [])


def pruning(contest: Contest) -> Delivered:
    """`nas search --model --method latency-pruning`."""
    return _command(contest, ["--method", "latency-pruning"])


def pruning_widths(contest: Contest) -> Delivered:
    """The same where kernels and depths stay, as they do in the arms that follow."""
    return _command(
        contest, ["--method", "latency-pruning"], {"space_args.kernel": "fixed", "space_args.depth": "fixed"}
    )


def uniform(contest: Contest) -> Delivered:
    """All widths of the sorted network scaled alike to the measured bound, then trained on."""
    return _scaled(contest, contest.pretrained(), None)


def uniform_taught(contest: Contest) -> Delivered:
    """The same, where the whole network teaches half of the loss."""
    whole = contest.pretrained()
    return _scaled(contest, whole, whole)


def torch_pruning(contest: Contest) -> Delivered:
    """Pruning by torch-pruning to the measured bound, then trained on."""
    whole = contest.pretrained()
    low, high = 1, 15  # a share of channels, in twentieths; above, what would lose all of them stays whole
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if contest.fits(_pruned(contest, middle / 20), whole) else (middle + 1, high)
    network = _pruned(contest, low / 20)
    contest.train(network, contest.cell.after - contest.spent, FINE)
    return Delivered(network, {"pruning_ratio": low / 20})


def fresh(contest: Contest) -> Delivered:
    """The network of the arm "pruning" with fresh weights, trained for as long as that arm had."""
    return _afresh(contest, contest.cell.after)


def fresh_longer(contest: Contest) -> Delivered:
    """The same, trained for the time before as well."""
    return _afresh(contest, contest.cell.before + contest.cell.after)


ARMS: dict[str, Callable[[Contest], Delivered]] = {
    "search": search,
    "pruning": pruning,
    "pruning-widths": pruning_widths,
    "uniform": uniform,
    "uniform-taught": uniform_taught,
    "torch-pruning": torch_pruning,
    "fresh": fresh,
    "fresh-longer": fresh_longer,
}
COMMANDS = ("search", "pruning", "pruning-widths")
"""Those that are the command line of `nas`, which imports what the others do not."""


def _command(contest: Contest, method: list[str], more: Mapping[str, Any] | None = None) -> Delivered:
    cell, recipe = contest.cell, contest.recipe
    words = ["search", "--model", f"networks:{NETWORKS[cell.network].__name__}", "--task", "fashion_mnist"]
    words += ["--data-dir", str(contest.folder), "--checkpoint", str(contest.checkpoint), "--seed", str(cell.seed)]
    words += ["--constraint", f"latency_ms <= {cell.share}% of largest", "--cpu-time", f"{cell.after:g}", *method]
    settings = {
        **contest.settings,
        "space_args.width": list(WIDTHS),
        "training.learning_rate": recipe.learning_rate * FINE,
        "training.optimizer": recipe.optimizer,
        "training.weight_decay": recipe.weight_decay,
        **(more or {}),
    }
    for name, value in settings.items():
        words += ["--set", f"{name}={value}"]
    with tempfile.TemporaryDirectory() as results:
        run_command([*words, "--results", results, "--name", "run"])
        folder = Path(results) / "run"
        best = json.loads((folder / "best.json").read_text())["best"]
        seconds = json.loads((folder / "run.json").read_text())["seconds"]
        figures = {f"test{end}": best[f"test_accuracy{end}"] for end in ("", "_low", "_high")}
        about = {"architecture": best["architecture"], "seconds": seconds}
        return Delivered((folder / "best.onnx").read_bytes(), about, figures)


def _scaled(contest: Contest, whole: nn.Module, teacher: nn.Module | None) -> Delivered:
    space = nas.elastic(whole, contest.example, width=_SHARES, kernel="fixed", depth="fixed", divisor=1)
    supernet = nas.Supernet(space, input_shape=contest.data.input_shape)

    def at(share: float) -> nn.Module:
        sizes = {name: min(each, key=lambda size: abs(size - share * max(each))) for name, each in choices.items()}
        return supernet.extract(sizes).eval()

    choices = supernet.space.choices
    low, high = 0, len(_SHARES) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if contest.fits(at(_SHARES[middle]), whole) else (low, middle - 1)
    network = at(_SHARES[low])
    contest.train(network, contest.cell.after - contest.spent, FINE, teacher)
    return Delivered(network, {"width": _SHARES[low]})


def _pruned(contest: Contest, ratio: float) -> nn.Module:
    """By group magnitudes, ranked over all layers; a transformer as torch-pruning's pages on them advise: by a Taylor
    expansion over ten batches, the same share of each layer and of its heads, which stay whole."""
    import torch_pruning as tp

    network = contest.pretrained()
    attentions = [each for each in network.modules() if hasattr(each, "qkv")]
    importance = tp.importance.GroupTaylorImportance() if attentions else tp.importance.GroupMagnitudeImportance(p=2)
    pruner: Any = tp.pruner.BasePruner(
        network,
        contest.example,
        importance=importance,
        global_pruning=not attentions,
        pruning_ratio=ratio,
        max_pruning_ratio=0.9,
        ignored_layers=[network.head],
        round_to=4,
        num_heads={each.qkv: each.heads for each in attentions},
        prune_num_heads=True,
        prune_head_dims=False,
        head_pruning_ratio=ratio,
    )
    if attentions:
        contest.add_gradients(network, 10)
    pruner.step()
    for each in attentions:
        each.heads = pruner.num_heads[each.qkv]
        each.head_width = each.qkv.out_features // (3 * each.heads)
    network.zero_grad()
    return network.eval()


def _afresh(contest: Contest, seconds: float) -> Delivered:
    found = contest.work / f"{contest.checkpoint.stem}-{contest.cell.share}-{contest.cell.after:g}.json"
    if not found.exists():
        raise SystemExit(f"{found} is not there; run the arm 'pruning' of this cell first.")
    architecture = json.loads(found.read_text())
    network = contest.space(contest.pretrained()).extract(architecture)
    nas.nn.initialise(network, contest.cell.seed)
    contest.train(network, seconds)
    return Delivered(network, {"architecture": architecture})
