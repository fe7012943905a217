"""Models of plain layers become models with choices."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.conversion.convert import elastic as elastic
    from nas.conversion.elastic_model import ElasticModel as ElasticModel
    from nas.conversion.importance import Calibration as Calibration

lazy(__name__)
