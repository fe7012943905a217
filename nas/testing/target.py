"""What every target must do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nas.errors import UsageError
from nas.hardware import Target, measure_networks

__all__ = ["TargetSuite"]

_SHAPE = (3, 16, 16)


def _network(width: int, layers: int = 1) -> nn.Module:
    wide = [each for _ in range(layers) for each in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), *wide)


class TargetSuite:
    """Tests of a :class:`nas.hardware.Target`.

    >>> from nas.hardware import CPU
    >>> class TestCPU(TargetSuite):
    ...     def make(self, **settings):
    ...         return CPU(**settings)

    Attributes:
        make: the target with ``threads``, ``batch`` and ``dtype`` as given, by default 1, 1 and float32.
        dtypes: in which it computes.
    """

    make: Callable[..., Target]
    dtypes: tuple[str, ...] = ("float32", "float16")

    def test_a_measurement_records_its_conditions(self) -> None:
        """Latencies are compared only under the same; network and process go on as they were."""
        before, network = torch.get_num_threads(), _network(4)
        where = self.make(batch=2, threads=before + 1)
        found = where.measure(network, _SHAPE, max_seconds=0.1)
        assert torch.get_num_threads() == before
        assert (found.threads, found.batch, found.dtype, found.target) == (before + 1, 2, "float32", where.name)
        assert found.latency_ms > found.spread_ms >= 0 and found.repeats >= 20
        assert found.versions == where.versions() and found.device == where.device() != ""
        assert network.training and next(network.parameters()).dtype == torch.float32

    def test_larger_networks_take_longer(self) -> None:
        """Measured in turn with a reference, so that the drift of the machine is divided out."""
        networks = {"large": _network(64, 8), "small": _network(4)}
        found = measure_networks(self.make(), networks, _network(16), _SHAPE, max_seconds=0.5)
        assert list(found) == ["large", "small"]
        assert found["large"].latency_ms > 2 * found["small"].latency_ms

    def test_it_computes_in_every_type_that_it_names(self) -> None:
        """On images and on token ids, which are never cast."""
        tokens = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
        for dtype in self.dtypes:
            where = self.make(dtype=dtype)
            assert where.measure(_network(4), _SHAPE, max_seconds=0.05).dtype == dtype
            assert where.measure(tokens, (5,), torch.int64, max_seconds=0.05).dtype == dtype

    def test_the_fingerprint_tells_conditions_apart(self) -> None:
        """Latencies are kept by it, also for another process."""
        conditions: list[dict[str, Any]] = [{"threads": 2}, {"batch": 4}, *({"dtype": each} for each in self.dtypes)]
        first, second = ([self.make(**each).fingerprint() for each in conditions] for _ in range(2))
        assert first == second and len(set(first)) == len(conditions)

    @pytest.mark.parametrize("wrong", [{"threads": 0}, {"batch": -1}, {"batch": 1.5}, {"dtype": "float3"}])
    def test_settings_that_mean_nothing_are_refused(self, wrong: dict[str, Any]) -> None:
        """When it is made, before anything is trained."""
        with pytest.raises(UsageError):
            self.make(**wrong)
