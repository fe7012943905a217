"""Tests that a part of your own must pass: subclass the suite of its kind in a file that pytest collects."""

from nas.errors import UsageError

try:
    import pytest
except ModuleNotFoundError as error:
    raise UsageError("nas.testing needs pytest, which is not installed; pip install 'nas[test]'.") from error

_KINDS = ("elastic_layer", "evaluator", "path_sampler", "predictor", "sharing", "strategy", "target", "task")
pytest.register_assert_rewrite(*(f"{__name__}.{kind}" for kind in _KINDS))

from nas.testing.elastic_layer import ElasticLayerSuite  # noqa: E402
from nas.testing.evaluator import EvaluatorSuite  # noqa: E402
from nas.testing.path_sampler import PathSamplerSuite  # noqa: E402
from nas.testing.predictor import PredictorSuite  # noqa: E402
from nas.testing.sharing import SharingSuite  # noqa: E402
from nas.testing.strategy import StrategySuite  # noqa: E402
from nas.testing.target import TargetSuite  # noqa: E402
from nas.testing.task import TaskSuite  # noqa: E402

__all__ = [
    "ElasticLayerSuite",
    "EvaluatorSuite",
    "PathSamplerSuite",
    "PredictorSuite",
    "SharingSuite",
    "StrategySuite",
    "TargetSuite",
    "TaskSuite",
]
