"""Tests that a part of your own must pass: subclass the suite of its kind in a file that pytest collects."""

from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.lazy_imports import lazy

try:
    import pytest
except ModuleNotFoundError as error:
    raise UsageError("nas.testing needs pytest, which is not installed; pip install 'nas-supernet[test]'.") from error

if TYPE_CHECKING:
    from nas.testing.elastic_layer import ElasticLayerSuite as ElasticLayerSuite
    from nas.testing.evaluator import EvaluatorSuite as EvaluatorSuite
    from nas.testing.path_sampler import PathSamplerSuite as PathSamplerSuite
    from nas.testing.predictor import PredictorSuite as PredictorSuite
    from nas.testing.sharing import SharingSuite as SharingSuite
    from nas.testing.strategy import StrategySuite as StrategySuite
    from nas.testing.target import TargetSuite as TargetSuite
    from nas.testing.task import TaskSuite as TaskSuite

_KINDS = ("elastic_layer", "evaluator", "path_sampler", "predictor", "sharing", "strategy", "target", "task")
pytest.register_assert_rewrite(*(f"{__name__}.{kind}" for kind in _KINDS))
lazy(__name__)
