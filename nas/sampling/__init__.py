"""Path samplers: which architectures does this step train?

They are pure functions of the step: the same step gives the same paths on every process and after every restart,
whatever happened before. One that is a :class:`~nas.training.Listener` too may learn on the way, and keeps in its state
what it has learnt.
"""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.sampling.attentive import Attentive as Attentive, PathScore as PathScore
    from nas.sampling.banks import InBanks as InBanks
    from nas.sampling.cost_levels import CostLevels as CostLevels, CostTable as CostTable
    from nas.sampling.diagonal import Diagonal as Diagonal
    from nas.sampling.fair import Fair as Fair
    from nas.sampling.important_examples import ImportantExamples as ImportantExamples
    from nas.sampling.important_paths import ImportantPaths as ImportantPaths
    from nas.sampling.neighbouring import Neighbouring as Neighbouring
    from nas.sampling.nested import Nested as Nested
    from nas.sampling.path_memory import PathMemory as PathMemory
    from nas.sampling.path_scores import BatchScore as BatchScore, PredictedScore as PredictedScore
    from nas.sampling.regions import InRegions as InRegions
    from nas.sampling.sandwich import Sandwich as Sandwich
    from nas.sampling.shifting import Shifting as Shifting
    from nas.sampling.slimmable import Slimmable as Slimmable
    from nas.sampling.uniform import Uniform as Uniform

lazy(__name__)
