"""What a step of a relaxed supernet costs: time and memory against one path, and entangled against separate kernels.

Run from the repository root:  python results/benchmarks/darts_cost/cost.py
Writes results/benchmarks/darts_cost/cost.csv (each case) and results/benchmarks/darts_cost/README.md (the summary).
"""

import platform
import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import nas
from nas.nn import Cell, Conv2d, OneOf
from nas.space import Choice
from nas.supernet import Relaxed
from nas.supernet.relaxations import BinaryGates, GumbelStraightThrough, Relaxation, Softmax
from nas.training import Recipe
from search_spaces.darts import EDGES, INPUTS, OPERATIONS, CellOfTwo, darts

FOLDER = Path(__file__).parent
BATCH, WIDTH, CELLS, SHAPE = 8, 16, 8, (3, 16, 16)
KERNELS, KERNEL_BATCH, KERNEL_WIDTH, KERNEL_SIZE = (3, 5, 7), 16, 64, 16
ROUNDS, KERNEL_ROUNDS = 15, 45
CERTAIN = 50.0
"""A logit so much larger than the others that every draw takes the option."""

MIB = 2**20
Loss = Callable[[], Tensor]


@dataclass(frozen=True, eq=False)
class Case:
    """One thing to measure.

    Attributes:
        name: in the table.
        prepare: what comes before the forward pass.
        loss: the forward pass.
        learn: the backward pass and what moves parameters.
        model: whose parameters are not counted as memory.
        operations: the modules whose activations are counted apart.
    """

    name: str
    prepare: Callable[[], Any]
    loss: Loss
    learn: Callable[[Tensor], None]
    model: nn.Module
    operations: Sequence[nn.Module]

    def step(self) -> None:
        self.prepare()
        self.learn(self.loss())


class Alive(TorchDispatchMode):
    """Counts the bytes of tensors that operators made and that are still there, in the backward pass too."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if id(storage) not in given and storage not in self._known:
                    self._known.add(storage)
                    self._add(storage.nbytes())
                    weakref.finalize(storage, self._add, -storage.nbytes())
        return result

    def _add(self, size: int) -> None:
        self.bytes += size
        self.peak = max(self.peak, self.bytes)


def peak_of(case: Case) -> int:
    """The most bytes alive at a time in a step beyond the parameters, their gradients included."""
    case.prepare()
    with Alive() as alive:
        case.learn(case.loss())
    return alive.peak


def saved_by(case: Case) -> tuple[int, int]:
    """Bytes that the forward pass keeps for the backward pass, each storage once: all, and those of operations."""
    own = {parameter.untyped_storage().data_ptr() for parameter in case.model.parameters()}
    kept: dict[int, Tensor] = {}
    inside: set[int] = set()
    depth = 0

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor
            inside.update([place] if depth else [])
        return tensor

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    handles = [module.register_forward_pre_hook(enter) for module in case.operations]
    handles += [module.register_forward_hook(leave) for module in case.operations]
    case.prepare()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        case.loss()
    for handle in handles:
        handle.remove()
    sizes = {place: tensor.untyped_storage().nbytes() for place, tensor in kept.items()}
    return sum(sizes.values()), sum(sizes[place] for place in inside)


def timed(cases: Sequence[Case], rounds: int) -> list[list[float]]:
    """Milliseconds of each step in each round; the cases take turns."""
    times: list[list[float]] = [[] for _ in cases]
    for round_ in range(rounds + 1):
        for case, found in zip(cases, times, strict=True):
            started = time.perf_counter()
            case.step()
            if round_:
                found.append((time.perf_counter() - started) * 1e3)
    return times


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, *SHAPE, generator=generator), torch.randint(0, 10, (BATCH,), generator=generator)


def loss_of(model: nn.Module) -> Loss:
    x, y = batch()
    return lambda: nn.functional.cross_entropy(model(x), y)


def learn_weights(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    torch.autograd.backward(loss)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def network_case(name: str, network: nn.Module, operations: Sequence[nn.Module], loss: Loss | None = None) -> Case:
    """The step of a network whose weights learn."""
    optimizer = Recipe().make_optimizer(network.train())
    return Case(name, lambda: None, loss or loss_of(network), partial(learn_weights, optimizer), network, operations)


def relaxed_cases(name: str, relaxation: Relaxation, parts: int = 1, subsets: Relaxation | None = None) -> list[Case]:
    """The architecture step and the weight step of a relaxed supernet that draws the path of :func:`path`."""
    torch.manual_seed(0)
    relaxed = Relaxed(nas.Supernet(darts(SHAPE, 10, WIDTH, CELLS, False, parts)), relaxation, 0, subsets)
    model = relaxed.supernet.train()
    with torch.no_grad():
        for choice, option in path().items():
            relaxed.parameters.logits[choice][OPERATIONS.index(option)] += CERTAIN
    optimizer = torch.optim.Adam(relaxed.parameters.parameters(), lr=1e-9)
    logits = list(relaxed.parameters.parameters())

    def learn_architecture(loss: Tensor) -> None:
        gradients = torch.autograd.grad(loss, logits, allow_unused=True)
        for parameter, gradient in zip(logits, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    edges = [module for module in model.modules() if isinstance(module, OneOf)]
    weights = network_case(f"{name}, weights", model, edges)
    return [
        Case(
            f"{name}, architecture",
            lambda: relaxed.follow(relaxed.draw(0, 0.5)),
            weights.loss,
            learn_architecture,
            model,
            edges,
        ),
        Case(
            weights.name,
            lambda: relaxed.follow(relaxed.draw_for_weights(0, 0.5)),
            weights.loss,
            weights.learn,
            model,
            edges,
        ),
    ]


def path() -> dict[str, str]:
    """An operation for each edge of both cells, drawn at random among those that are not zero."""
    generator = torch.Generator().manual_seed(1)
    return {
        "{}.edge_{}_{}".format(kind, *edge): OPERATIONS[int(torch.randint(1, len(OPERATIONS), (), generator=generator))]
        for kind in ("normal", "reduce")
        for edge in EDGES
    }


def single_path() -> Case:
    """The plain network of that path: one operation on each of the fourteen edges of a cell."""
    torch.manual_seed(0)
    network = darts(SHAPE, 10, WIDTH, CELLS, affine=False)
    operations = []
    for stage in (module for module in network.modules() if isinstance(module, CellOfTwo)):
        cell = stage.cell
        assert isinstance(cell, Cell)
        edges = {}
        for edge in EDGES:
            one_of = cell.edge(*edge)
            assert isinstance(one_of, OneOf) and one_of.choice.name is not None
            edges[edge] = one_of[path()[one_of.choice.name]]
        operations += list(edges.values())
        stage.cell = Cell(edges, INPUTS, "concat")
    return network_case("single path, 14 edges", network, operations)


def derived() -> Case:
    """The plain network of an architecture with these operations: every node keeps two of its edges."""
    torch.manual_seed(0)
    supernet = nas.Supernet(darts(SHAPE, 10, WIDTH, CELLS, affine=False))
    kept = {name: candidates[0] for name, candidates in supernet.space.choices.items()}
    network = supernet.extract(supernet.space.complete({**kept, **path()}))
    cells = [module.cell for module in network.modules() if hasattr(module, "cell")]
    operations = [edge for cell in cells for name, edge in cell.named_children() if name.startswith("edge")]
    return network_case("derived network, 8 edges", network, operations)


def kernel_cases(groups: int) -> list[Case]:
    """One convolution: the largest kernel alone, all kernels entangled in it, and a convolution for each."""
    torch.manual_seed(0)
    width, kernel = KERNEL_WIDTH, Choice(KERNELS, name="kernel")
    x = torch.randn(KERNEL_BATCH, width, KERNEL_SIZE, KERNEL_SIZE, requires_grad=True)
    largest = nn.Conv2d(width, width, max(KERNELS), padding=max(KERNELS) // 2, groups=groups)
    entangled = Conv2d(width, width, kernel, padding=kernel // 2, groups=groups)
    branches = {str(k): nn.Conv2d(width, width, k, padding=k // 2, groups=groups) for k in KERNELS}
    separate = OneOf(branches, Choice(list(branches), name="kernel"))
    cases = [network_case("largest kernel", largest, [], lambda: largest(x).square().mean())]
    for name, layer in (("entangled", entangled), ("three branches", separate)):
        relaxed = Relaxed(nas.Supernet(nn.Sequential(layer)), Softmax(), 0)
        case = network_case(name, relaxed.supernet, [], partial(_mean_square, relaxed.supernet, x))
        follow = partial(_draw, relaxed)
        cases.append(Case(name, follow, case.loss, case.learn, case.model, []))
    return cases


def _mean_square(model: nn.Module, x: Tensor) -> Tensor:
    y: Tensor = model(x)
    return y.square().mean()


def _draw(relaxed: Relaxed) -> None:
    relaxed.follow(relaxed.draw(0, 0.5))


def measured(group: str, cases: Sequence[Case], rounds: int) -> pd.DataFrame:
    """A row for each case; ratios are to the first."""
    memory = [(*saved_by(case), peak_of(case)) for case in cases]
    times = timed(cases, rounds)
    rows = []
    for case, (saved, operations, peak), each in zip(cases, memory, times, strict=True):
        ratios = sorted(mine / first for mine, first in zip(each, times[0], strict=True))
        rows.append(
            {
                "group": group,
                "case": case.name,
                "ms": statistics.median(each),
                "time_ratio": statistics.median(each) / statistics.median(times[0]),
                "time_ratio_low": ratios[len(ratios) // 4],
                "time_ratio_high": ratios[-1 - len(ratios) // 4],
                "saved_mib": saved / MIB,
                "operations_mib": operations / MIB,
                "peak_mib": peak / MIB,
                "saved_ratio": saved / memory[0][0],
                "peak_ratio": peak / memory[0][2],
            }
        )
        print(
            {name: round(value, 3) if isinstance(value, float) else value for name, value in rows[-1].items()},
            flush=True,
        )
    return pd.DataFrame(rows)


def line(row: Any) -> str:
    spread = f"{row.time_ratio:.2f} ({row.time_ratio_low:.2f} to {row.time_ratio_high:.2f})"
    memory = f"{row.operations_mib:.1f} | {row.saved_mib:.1f} | {row.peak_mib:.1f} | {row.peak_ratio:.2f}"
    return f"| {row.case} | {row.ms:.0f} | {spread} | {memory} |"


def kernel_line(row: Any) -> str:
    spread = f"{row.time_ratio:.2f} ({row.time_ratio_low:.2f} to {row.time_ratio_high:.2f})"
    return f"| {row.group} | {row.case} | {row.ms:.1f} | {spread} | {row.peak_ratio:.2f} |"


def bounds(table: pd.DataFrame) -> list[str]:
    """What was aimed at and what came out."""
    rows = table.set_index(["group", "case"])

    def value(group: str, case: str, column: str) -> float:
        return float(rows.loc[(group, case), column])  # type: ignore[arg-type]

    share = value("supernet", "PC-DARTS, K=4, architecture", "operations_mib")
    share /= value("supernet", "softmax, architecture", "operations_mib")
    found = [
        ("activations of operations, PC-DARTS with K=4 / softmax", 0.35, share),
        ("peak memory, binary gates / single path", 1.3, value("supernet", "binary gates, architecture", "peak_ratio")),
        *(
            (f"time, {group} kernels entangled / the largest alone", 1.25, value(group, "entangled", "time_ratio"))
            for group in ("dense", "depthwise")
        ),
    ]
    return [f"| {what} | {most} | {each:.2f} | {'yes' if each <= most else 'no'} |" for what, most, each in found]


def readme(table: pd.DataFrame) -> str:
    supernets, kernels = table[table["group"] == "supernet"], table[table["group"] != "supernet"]
    size = "x".join(map(str, SHAPE))
    lines = [
        "# What a step of a relaxed supernet costs",
        "",
        f"Space `darts` with {CELLS} cells of width {WIDTH}, batch {BATCH}, images of {size}; one thread, torch "
        f"{torch.__version__}, {platform.machine()}.",
        f"Cases take turns; median of {ROUNDS} rounds, in brackets the quartiles of the ratios within a round.",
        "",
        "| bound | at most | measured | kept |",
        "| --- | --- | --- | --- |",
        *bounds(table),
        "",
        "## Steps",
        "",
        "| step | ms | time / single path | operations, MiB | saved, MiB | peak, MiB | peak / single path |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(line(row) for row in supernets.itertuples()),
        "",
        '"Architecture" is a pass whose gradient goes to architecture parameters, "weights" one of the weights with the',
        "SGD step; a step of bilevel training is both. The single path is the plain network of the path that binary gates",
        "and GDAS draw, one operation on each of the 14 edges of a cell; in the derived network each node keeps two edges.",
        "",
        "*Saved* are the bytes that the forward pass keeps for the backward pass (`saved_tensors_hooks`, each storage",
        "once, parameters left out), *operations* the part of it that operations on edges keep, which include their",
        "inputs. *Peak* is the most that was alive at a time in forward and backward beyond the parameters, told by every",
        "tensor that an operator returned; buffers inside of operators do not show. Outputs of idle candidates, which",
        "binary gates compute in the backward pass, are in it.",
        "",
        "## Kernels",
        "",
        f"One convolution of {KERNEL_WIDTH} channels, batch {KERNEL_BATCH}, {KERNEL_SIZE}x{KERNEL_SIZE} pixels, with the "
        f"backward pass and the SGD step; median of {KERNEL_ROUNDS} rounds.",
        f"A softmax gate over the kernels {list(KERNELS)} runs one convolution with the weighted sum of the kernels where",
        "they are entangled, and one for each of three branches.",
        "",
        "| convolution | case | ms | time / largest kernel | peak / largest kernel |",
        "| --- | --- | --- | --- | --- |",
        *(kernel_line(row) for row in kernels.itertuples()),
        "",
        "Command: `python results/benchmarks/darts_cost/cost.py`",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(1)
    supernets = [
        single_path(),
        derived(),
        *relaxed_cases("binary gates", BinaryGates()),
        *relaxed_cases("GDAS", GumbelStraightThrough()),
        *relaxed_cases("PC-DARTS, K=4", Softmax(), 4, Softmax()),
        *relaxed_cases("softmax", Softmax()),
    ]
    table = pd.concat(
        [
            measured("supernet", supernets, ROUNDS),
            measured("dense", kernel_cases(1), KERNEL_ROUNDS),
            measured("depthwise", kernel_cases(KERNEL_WIDTH), KERNEL_ROUNDS),
        ]
    )
    table.round(4).to_csv(FOLDER / "cost.csv", index=False)
    (FOLDER / "README.md").write_text(readme(table))


if __name__ == "__main__":
    main()
