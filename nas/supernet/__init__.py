"""A model with choices, the rule for which weights an architecture sees, and gates that learn."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.supernet.extraction import extract as extract
    from nas.supernet.memory_format import takes_channels_last as takes_channels_last
    from nas.supernet.relaxations import GateWeights as GateWeights
    from nas.supernet.relaxed import Relaxed as Relaxed
    from nas.supernet.segmentation import Segment as Segment, active_modules as active_modules
    from nas.supernet.supernet import SegmentKey as SegmentKey, Supernet as Supernet

lazy(__name__)
