"""Latency-aware structural pruning: one network, cut down to a bound while it trains."""

from collections.abc import Sequence

from torch import Tensor

from nas.errors import UsageError
from nas.methods.channel_sorting import ChannelSorting
from nas.methods.method import Method
from nas.methods.shrinking_path import ShrinkingPath
from nas.problem import Problem
from nas.sampling import Uniform
from nas.sharing import DenseParent
from nas.space import Architecture, ArchitectureSet
from nas.supernet import Supernet
from nas.training import Context, Distillation, Forward, Listener, LossTerm, Phase, SupernetStep

__all__ = ["LATENCY_PRUNING"]

_EXAMPLES = 16
"""On which it is seen whether channels were put in order without changing what the network computes."""
_LARGEST_FIRST = 0.5
_TIGHTER = (0.95, 0.9, 0.8)
"""Shares of the bound, of networks that are there in case that the first one is slower than predicted."""
_PRUNED = 1
"""The bank of all networks but the largest."""


def _phases(
    problem: Problem,
    largest_first: float | None = None,
    rounds: int = 12,
    until: float = 0.6,
    eta: float = 1.0,
    distillation: float = 0.5,
    rate: float = 0.5,
) -> list[Phase]:
    """The largest network is trained, unless the space brings weights, and stays as it is from then on; a copy of it
    loses in rounds what is least salient for the latency that it takes, and learns on from the targets and from the
    largest. Here sizes come down by the candidates of the space, which are what the published steps of 8 or 16 channels
    are. The last round of a run trains the network on, taught alike.

    Args:
        largest_first: share of the epochs in which the largest network trains; half by default, none where its weights
            are pretrained.
        rounds: so many times something is removed.
        until: share of the other epochs after which the cost is within its bound.
        eta: how much the saved cost counts beside the saliency, see :class:`ShrinkingPath`.
        distillation: share of the loss that the largest network teaches.
        rate: share of the learning rate for the network that is pruned, after the largest was trained.
    """
    if largest_first is None:
        largest_first = _LARGEST_FIRST if problem.pretrained is None else 0.0
    if not (0 <= largest_first < 1 and 0 <= distillation < 1 and rate > 0):
        raise UsageError(
            f"latency-pruning got largest_first={largest_first:g}, distillation={distillation:g} and rate={rate:g}; "
            "give shares from 0 to below 1, and a rate above 0."
        )
    if problem.budget is None:
        raise UsageError("latency-pruning cuts a network down to a cost, but was given none; set Problem.budget.")
    supernet, epochs = problem.supernet, problem.recipe.epochs
    first = max(1, round(largest_first * epochs)) if largest_first else 0
    if first >= epochs:
        raise UsageError(
            f"latency-pruning trains the largest network in {first} of the epochs and prunes it in the others, but "
            f"training.epochs is {epochs}; give it more, or largest_first=0 where the space brings its weights."
        )
    slower = rate if first else 1.0
    path = ShrinkingPath(supernet, problem.budget, bank=_PRUNED, rounds=rounds, until=until, eta=eta)
    targets = problem.task.loss(problem.recipe.label_smoothing, weight=1 - distillation)
    taught = [_TaughtByParent(problem, distillation)] if distillation else []
    bounds = [share * problem.budget.bound for share in (1.0, *_TIGHTER)]
    return [
        *([_largest_alone(problem, first)] if first else []),
        Phase(
            _PrunedStep(supernet, path, bounds, [targets, *taught]),
            problem.data.train,
            problem.recipe.model_copy(
                update={
                    "epochs": epochs - first,
                    "learning_rate": problem.recipe.learning_rate * slower,
                    "final_learning_rate": problem.recipe.final_learning_rate * slower,
                }
            ),
            problem.augment,
            [_Branching(problem, sorts=first > 0)],
            name="pruning",
        ),
    ]


def _largest_alone(problem: Problem, epochs: int) -> Phase:
    supernet = problem.supernet
    paths = Uniform(ArchitectureSet([supernet.space.largest()]), problem.seed)
    recipe = problem.recipe.model_copy(update={"epochs": epochs})
    step = SupernetStep(supernet, paths, [problem.loss()])
    return Phase(step, problem.data.train, recipe, problem.augment, name="largest")


class _TaughtByParent:
    """``share`` of the divergence from the largest network, which is not trained any more (Hinton et al., 2015)."""

    def __init__(self, problem: Problem, share: float) -> None:
        self.supernet, self.task, self.share = problem.supernet, problem.task, share
        self._term: Distillation | None = None

    def __call__(self, forward: Forward) -> Tensor | None:
        if self._term is None:
            teacher = self.supernet.extract(self.supernet.space.largest()).eval()
            self._term = Distillation(teacher, self.task, share=self.share)
        return self._term(forward)


class _Branching(Listener):
    """Copies the weights of the largest network for the one that is pruned, when that begins.

    Args:
        sorts: whether channels are put in the order of importance before.
    """

    def __init__(self, problem: Problem, sorts: bool) -> None:
        supernet = problem.supernet
        if not isinstance(supernet.sharing, DenseParent):
            raise UsageError(
                f"latency-pruning keeps the largest network beside the pruned one, but the supernet shares weights by "
                f"{type(supernet.sharing).__name__}; make it with sharing=DenseParent()."
            )
        self.sharing = supernet.sharing
        examples, _ = next(iter(problem.data.train.batches(_EXAMPLES)))
        largest = {name: [each] for name, each in supernet.space.largest().items()}
        self.sorting = ChannelSorting(supernet, largest, examples) if sorts else None

    def begin(self, context: Context) -> None:
        if self.sorting is not None:
            self.sorting.begin(context)
        self.sharing.branch()


class _PrunedStep(SupernetStep):
    """Trains what is left of the largest network, and proposes it.

    Args:
        bounds: of the cost, of each network that is proposed.
    """

    def __init__(
        self, supernet: Supernet, path: ShrinkingPath, bounds: Sequence[float], objective: Sequence[LossTerm]
    ) -> None:
        super().__init__(supernet, path, objective)
        self.path, self.bounds = path, bounds

    def before_step(self, context: Context) -> None:
        super().before_step(context)
        assert isinstance(self.model.sharing, DenseParent)
        self.model.sharing.part = self.path.architecture

    @property
    def proposals(self) -> list[Architecture]:
        """The network within the bound, then smaller ones; where the training was cut short, what was due goes now."""
        first, *others = self.bounds
        return list(dict.fromkeys([self.path.shrunken(first), *map(self.path.towards, others)]))


LATENCY_PRUNING = Method(
    name="latency-pruning",
    family="pruning",
    paper="Yang et al., Global vision transformer pruning with Hessian-aware saliency (NViT), 2023",
    summary="the largest network is cut down to the bound while it trains, by saliency per cost saved",
    phases=_phases,
    sharing=DenseParent,
    needs_budget=True,
    fewest_epochs=8,
    share_of_time=0.5,
    settings={
        "strategy": "derived",
        "candidates": 1 + len(_TIGHTER),
        "random_baseline": 0,
        "finish": {"networks": 1, "distillation": 0.5},
    },
)
