"""A model with choices, and the rule for which weights an architecture sees."""

from nas.supernet.extraction import extract
from nas.supernet.segments import Segment, active_modules
from nas.supernet.supernet import SegmentKey, Supernet

__all__ = ["Segment", "SegmentKey", "Supernet", "active_modules", "extract"]
