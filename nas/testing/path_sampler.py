"""What every path sampler must do."""

import pickle
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from nas.space import Space
from nas.testing.spaces import NESTED, WIDE
from nas.training import Context, Listener, Path, PathSampler

__all__ = ["PathSamplerSuite"]


@pytest.mark.parametrize("space", [WIDE, NESTED], ids=["wide", "nested"])
class PathSamplerSuite:
    """Tests of a :class:`nas.training.PathSampler`.

    >>> from nas.sampling import Uniform
    >>> class TestUniform(PathSamplerSuite):
    ...     def make(self, space, seed):
    ...         return Uniform(space, seed)

    Attributes:
        make: a fresh sampler, given a space and a seed.
    """

    make: Callable[[Space, int], PathSampler]

    def test_a_step_trains_members_in_their_roles(self, space: Space) -> None:
        """Losses are told by role: the largest teaches the others (Yu and Huang, 2019), so it must be the largest."""
        fixed = {"largest": space.largest(), "smallest": space.smallest()}
        for paths in _drawn(self.make(space, 5)):
            assert paths and all(path.architecture in space for path in paths)
            assert all(path.architecture == fixed[path.role] for path in paths if path.role in fixed)

    def test_paths_are_a_function_of_seed_and_step(self, space: Space) -> None:
        """Processes that train together draw the same paths, whatever else they drew; steps and seeds differ."""
        drawn = []
        for other in (1, 2):
            torch.manual_seed(other)
            np.random.seed(other)
            before = torch.get_rng_state(), repr(np.random.get_state())
            drawn.append([_drawn(self.make(space, seed)) for seed in (5, 6)])
            assert torch.equal(torch.get_rng_state(), before[0]) and repr(np.random.get_state()) == before[1]
        assert drawn[0] == drawn[1]
        assert drawn[0][0] != drawn[0][1] and len(set(drawn[0][0])) > 3

    def test_a_training_that_goes_on_draws_what_it_would_have_drawn(self, space: Space) -> None:
        """A checkpoint holds the step, and the state of a sampler that is a :class:`nas.training.Listener`."""
        sampler, again = self.make(space, 5), self.make(space, 5)
        _drawn(sampler, range(10))
        if isinstance(sampler, Listener) and isinstance(again, Listener):
            again.restore(sampler.state())
        assert _drawn(pickle.loads(pickle.dumps(again)), range(10, 30)) == _drawn(sampler, range(10, 30))

    def test_every_candidate_is_trained(self, space: Space) -> None:
        """One without training would be evaluated by weights that never learnt (FairNAS, Chu et al., 2021)."""
        drawn = {path.architecture for paths in _drawn(self.make(space, 0), range(200)) for path in paths}
        for name, candidates in space.choices.items():
            assert {each[name] for each in drawn if name in each} == set(candidates)


def _drawn(sampler: PathSampler, steps: Sequence[int] = range(30)) -> list[tuple[Path, ...]]:
    return [tuple(sampler.draw(Context(step))) for step in steps]
