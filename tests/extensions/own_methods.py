"""Ways to train a supernet as somebody writes them beside a run: a loss, two samplers, a training in phases."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nas import (
    Architecture,
    Context,
    Forward,
    Listener,
    Method,
    Phase,
    Problem,
    Sandwich,
    Stream,
    Subspace,
    SupernetStep,
    Uniform,
    rng,
)
from nas.training import Path

SHORT = {"epochs": 3, "batch_size": 32}


@dataclass(frozen=True)
class AlphaDivergence:
    """The larger of two clipped divergences from the largest architecture (AlphaNet, Wang et al., 2021)."""

    alphas: tuple[float, float] = (-1.0, 0.5)
    clip: float = 5.0

    def __call__(self, forward: Forward) -> Tensor | None:
        teacher = forward.earlier.get("largest")
        if teacher is None:
            return None
        p, q = teacher.softmax(1), forward.output.softmax(1)
        ratio = (p / q).clamp(max=self.clip).detach()
        return torch.stack([self._of(alpha, ratio, q) for alpha in self.alphas]).amax(0).mean()

    def _of(self, alpha: float, ratio: Tensor, q: Tensor) -> Tensor:
        """Its gradient is that of the divergence; its value that of the derivative's weights."""
        return -(ratio**alpha * q.detach() * q.log()).sum(1) / abs(alpha)


def alpha(problem: Problem) -> list[Phase]:
    paths = Sandwich(problem.space, problem.seed)
    step = SupernetStep(problem.supernet, paths, [problem.loss(roles=["largest"]), AlphaDivergence()])
    return [problem.phase(step)]


class Attentive:
    """Paths of all costs alike: a bucket of FLOPs is drawn first (after AttentiveNAS, Wang et al., 2021)."""

    def __init__(self, problem: Problem, buckets: int = 4, tries: int = 20) -> None:
        self.problem, self.tries = problem, tries
        sample = [problem.space.sample(rng(problem.seed, Stream.OWN, 1, each)) for each in range(60)]
        self.edges = np.quantile([self.flops(each) for each in sample], np.linspace(0, 1, buckets + 1))

    def flops(self, architecture: Architecture) -> int:
        return self.problem.costs(architecture)["flops"]

    def draw(self, context: Context) -> list[Path]:
        draws = rng(self.problem.seed, Stream.OWN, 2, context.step)
        bucket = int(draws.integers(len(self.edges) - 1))
        low, high = self.edges[bucket : bucket + 2]
        for _ in range(self.tries):
            drawn = self.problem.space.sample(draws)
            if low <= self.flops(drawn) <= high:
                break
        return [Path(drawn, "random")]


class Curious(Listener):
    """Of four random paths the one whose candidates have had the highest losses."""

    def __init__(self, problem: Problem) -> None:
        self.space, self.seed = problem.space, problem.seed
        self.losses = torch.full((len(self.space.columns),), 3.0)

    def draw(self, context: Context) -> list[Path]:
        drawn = [self.space.sample(rng(self.seed, Stream.OWN, 3, context.step, each)) for each in range(4)]
        return [Path(max(drawn, key=lambda each: float(self.losses[self._columns(each)].mean())), "random")]

    def after_step(self, context: Context) -> None:
        for path, loss in zip(context.paths, context.losses, strict=True):
            columns = self._columns(path.architecture)
            self.losses[columns] = 0.9 * self.losses[columns] + 0.1 * loss.cpu()

    def state(self) -> dict[str, Tensor]:
        return {"losses": self.losses}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.losses = state["losses"].clone()

    def _columns(self, architecture: Architecture) -> Tensor:
        return torch.from_numpy(self.space.one_hot([architecture])[0]).bool()


def one_path(sampler: type, problem: Problem) -> list[Phase]:
    return [problem.phase(SupernetStep(problem.supernet, sampler(problem), [problem.loss()]))]


class Teacher(Listener):
    """The largest network as it is when a phase begins; as a loss term, what paths learn from it."""

    def __init__(self, problem: Problem) -> None:
        self.supernet, self.task, self.device = problem.supernet, problem.task, problem.device
        self.network = self.supernet.extract(problem.space.largest())

    def begin(self, context: Context) -> None:
        self.network = self.supernet.extract(self.supernet.space.largest()).eval()

    def __call__(self, forward: Forward) -> Tensor:
        with torch.no_grad():
            taught = self.task.taught(self.network(forward.input))
        return self.task.divergence(forward.output, taught)

    def state(self) -> dict[str, Tensor]:
        return dict(self.network.state_dict())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(state)
        self.network.to(self.device).eval()


def shrinking(problem: Problem) -> list[Phase]:
    """Once-for-all (Cai et al., 2020): the largest network, then elastic kernels, then depths, then all sizes."""
    space, phases = problem.space, []
    largest, elastic = space.largest(), ("kernel", "depth", "width", "expansion")
    for names in (elastic[:0], elastic[:1], elastic[:2], elastic):
        fixed = {name: [largest[name]] for name in space.choices if not name.endswith(names or ("nothing",))}
        paths = Uniform(Subspace(space, fixed), problem.seed)
        teacher = [Teacher(problem)] if names else []
        step = SupernetStep(problem.supernet, paths, [problem.loss(), *teacher])
        recipe = problem.recipe.model_copy(update={"learning_rate": problem.recipe.learning_rate / (3 if names else 1)})
        phases.append(Phase(step, problem.data.train, recipe, problem.augment, name="+".join(names) or "largest"))
    return phases


def method(name: str, phases: object) -> Method:
    return Method(name, "own", "Nobody, 2026", "written beside a run", phases, recipe=SHORT)  # type: ignore[arg-type]


ALPHA = method("alpha", alpha)
ATTENTIVE = method("attentive", partial(one_path, Attentive))
CURIOUS = method("curious", partial(one_path, Curious))
ONCE_FOR_ALL = method("shrinking", shrinking)
