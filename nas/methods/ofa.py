"""Once-for-all: the largest network first, then smaller kernels, depths and widths, one kind after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

from nas.errors import UsageError
from nas.methods.channel_sorting import ChannelSorting
from nas.methods.frozen_teacher import FrozenTeacher
from nas.methods.kinds import Kind, kinds_of
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Uniform
from nas.sharing import KernelTransforms
from nas.space import Space, Subspace
from nas.training import LossTerm, Phase, SupernetStep

__all__ = ["OFA"]


@dataclass(frozen=True)
class _Stage:
    """What may be smaller from now on.

    Attributes:
        opens: the kind of choices that open; "largest" where none does.
        most: how many of their largest candidates may be taken; 0 for all.
        paths: subnets of a step.
        epochs: its share.
        rate: of the learning rate.
    """

    opens: Kind | Literal["largest"]
    most: int
    paths: int
    epochs: int
    rate: float


_STAGES = (
    _Stage("largest", 1, 1, 180, 1.0),
    _Stage("kernel", 0, 1, 120, 1.0),
    _Stage("depth", 2, 2, 25, 1 / 12),
    _Stage("depth", 0, 2, 120, 1 / 4),
    _Stage("width", 2, 4, 25, 1 / 12),
    _Stage("width", 0, 4, 120, 1 / 4),
)
"""As published, where the epochs of the first are not known."""

_EXAMPLES = 16
"""On which it is seen whether channels were put in order without changing what networks compute."""

Candidates = Mapping[str, Sequence[Any]]


def _phases(problem: Problem) -> list[Phase]:
    """The largest network is trained first and teaches from then on; depths and widths open in two steps, channels are
    sorted before widths do, and each phase has a schedule of its own. Epochs are shared out in proportion; a stage that
    would have none opens with the next. Heads are widths. Choices that are neither kernels nor depths nor widths, such
    as the size of images, are open from the beginning."""
    kinds = kinds_of(problem.supernet)
    stages = [stage for stage in _STAGES if _is_needed(stage, problem.supernet.space, kinds)]
    teacher, phases = FrozenTeacher(problem), list[Phase]()
    before: Candidates = {}
    for number, (start, end) in enumerate(pairwise([0, *_ends(stages, problem.recipe.epochs)])):
        if end > start:
            taught = [teacher] if phases else []
            candidates = _candidates(problem.supernet.space, kinds, stages[: number + 1])
            phases.append(_phase(problem, stages[number], end - start, taught, candidates, before))
            before = candidates
    return phases


def _phase(
    problem: Problem, stage: _Stage, epochs: int, taught: Sequence[LossTerm], candidates: Candidates, before: Candidates
) -> Phase:
    """The training of a stage.

    Args:
        taught: what it learns from besides targets.
        candidates: that each choice may take.
        before: likewise in the stage before.
    """
    supernet, given = problem.supernet, problem.recipe
    paths = Uniform(Subspace(supernet.space, candidates), problem.seed, stage.paths)
    rates = {name: getattr(given, name) * stage.rate for name in ("learning_rate", "final_learning_rate")}
    examples, _ = next(iter(problem.data.train.batches(_EXAMPLES)))
    return Phase(
        SupernetStep(supernet, paths, [problem.loss(), *taught]),
        problem.data.train,
        given.model_copy(update={"epochs": epochs, **rates}),
        problem.augment,
        [ChannelSorting(supernet, before, examples)] if stage.opens == "width" else [],
        name=stage.opens,
    )


def _is_needed(stage: _Stage, space: Space, kinds: Mapping[str, Kind]) -> bool:
    """Whether it opens anything, and does not open all."""
    sizes = [len(each) for name, each in space.choices.items() if kinds[name] == stage.opens]
    return stage.opens == "largest" or max(sizes, default=0) > stage.most


def _ends(stages: Sequence[_Stage], epochs: int) -> list[int]:
    """After which epoch each stage ends; the first and the last have one at least.

    Raises:
        UsageError: nothing opens, or there is a single epoch.
    """
    if len(stages) == 1:
        raise UsageError(
            "ofa opens kernels, depths and widths one after another, but no choice of this space is one of them; use "
            "another method."
        )
    if epochs < 2:
        raise UsageError(
            "ofa trains the largest network and then smaller ones, so it needs two epochs or more, but training.epochs "
            f"is {epochs}; give it more."
        )
    *sums, total = accumulate(stage.epochs for stage in stages)
    return [*(min(max(1, round(epochs * each / total)), epochs - 1) for each in sums), epochs]


def _candidates(space: Space, kinds: Mapping[str, Kind], opened: Sequence[_Stage]) -> Candidates:
    """What each kernel, depth and width may be after these stages."""
    most = {"kernel": 1, "depth": 1, "width": 1, **{stage.opens: stage.most for stage in opened}}
    return {
        name: [space.choices[name][position] for position in order[-most[kinds[name]] :]]
        for name, order in space.order.items()
        if kinds[name] in most
    }


OFA = Method(
    name="ofa",
    family="nested",
    paper="Cai et al., Once-for-all: Train one network and specialize it for efficient deployment, 2020",
    summary="progressive shrinking: the largest network, then smaller kernels, depths and widths, taught by it",
    phases=_phases,
    fewest_epochs=12,
    sharing=KernelTransforms,
)
