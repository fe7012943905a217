"""A model with choices, the rule for which weights an architecture sees, and gates that learn."""

from nas.supernet.extraction import extract
from nas.supernet.relaxations import GateWeights
from nas.supernet.relaxed import Relaxed
from nas.supernet.segmentation import Segment, active_modules
from nas.supernet.supernet import SegmentKey, Supernet

__all__ = ["GateWeights", "Relaxed", "Segment", "SegmentKey", "Supernet", "active_modules", "extract"]
