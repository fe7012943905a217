"""A storage that makes proposals of Optuna's NSGA-II as fast after ten thousand results as after a hundred."""

from collections.abc import Container, Sequence
from typing import Any

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

__all__ = ["Nsga2Storage"]

_GENERATION = "NSGAIISampler:generation"
_PARENTS = "NSGAIISampler:parent:"


class Nsga2Storage(InMemoryStorage):
    """A study in memory that shows its sampler only the trials that NSGA-II still needs.

    Optuna's NSGA-II reads all trials several times for each proposal, but needs only unfinished ones, the last two
    generations, and the parents of the newest generation, which it stores in the study when that generation begins.
    From then on the other trials are hidden.
    """

    def __init__(self) -> None:
        super().__init__()
        self._visible: list[int] = []

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self._visible.append(trial_id)
        return trial_id

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_system_attr(study_id, key, value)
        if key.startswith(_PARENTS):
            previous = int(key.removeprefix(_PARENTS)) - 1
            self._visible = [each for each in self._visible if self._is_needed(self.get_trial(each), previous, value)]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if deepcopy or states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)
        trials = [self.get_trial(each) for each in self._visible]
        return [trial for trial in trials if states is None or trial.state in states]

    @staticmethod
    def _is_needed(trial: FrozenTrial, previous: int, parents: Sequence[int]) -> bool:
        if not trial.state.is_finished() or trial._trial_id in parents:
            return True
        return trial.state == TrialState.COMPLETE and trial.system_attrs.get(_GENERATION, -1) >= previous
