"""The trials that NSGA-II still looks at, so that a proposal costs the same after ten thousand results."""

from collections.abc import Container, Sequence
from typing import Any

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

__all__ = ["Generations"]

_GENERATION = "NSGAIISampler:generation"
_PARENTS = "NSGAIISampler:parent:"


class Generations(InMemoryStorage):
    """A study in memory that forgets, as far as its sampler can tell, the generations before the parents.

    Optuna's NSGA-II asks for all trials several times a proposal, but uses only unfinished ones, the last two
    generations, and the parents of the newest, which it notes in the study once that generation begins. From then on
    the others are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[int] = []

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self._shown.append(trial_id)
        return trial_id

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_system_attr(study_id, key, value)
        if key.startswith(_PARENTS):
            previous = int(key.removeprefix(_PARENTS)) - 1
            self._shown = [each for each in self._shown if self._matters(self.get_trial(each), previous, value)]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if deepcopy or states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)
        trials = [self.get_trial(each) for each in self._shown]
        return [trial for trial in trials if states is None or trial.state in states]

    @staticmethod
    def _matters(trial: FrozenTrial, previous: int, parents: Sequence[int]) -> bool:
        if not trial.state.is_finished() or trial._trial_id in parents:
            return True
        return trial.state == TrialState.COMPLETE and trial.system_attrs.get(_GENERATION, -1) >= previous
