"""Parts of a third party pass the suites of the package in a few lines, and parts that are wrong do not."""

import importlib
import inspect
import sys

import broken_parts
import pytest
import torch
from own_annealing import Annealing
from own_counts import Counts
from torch import Tensor

from nas.errors import UsageError
from nas.search import Strategy
from nas.space import Space
from nas.testing import StrategySuite, TaskSuite


class TestAnnealing(StrategySuite):
    def make(self, space: Space, seed: int) -> Strategy:
        return Annealing(space, seed)


class TestCounts(TaskSuite):
    make = Counts

    def targets(self) -> Tensor:
        return (torch.arange(60) % 5 + 1.0)[:, None]

    def right(self, targets: Tensor) -> Tensor:
        return targets.log()


@pytest.mark.parametrize("suite", [TestAnnealing, TestCounts])
def test_a_part_is_tested_in_fifteen_lines(suite: type) -> None:
    assert len(inspect.getsource(suite).splitlines()) + len(["from nas.testing import …", "from mine import …"]) <= 15


class Failures:
    """What failed, and by what."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.found[report.nodeid.partition("::")[2].partition("[")[0]] = report.longreprtext


def test_a_part_that_is_wrong_fails_what_it_breaks() -> None:
    suites = {name: suite for name, suite in vars(broken_parts).items() if name.startswith("Test")}
    expected = [f"{name}::{suite.fails}" for name, suite in suites.items()]
    alone = [
        "-o",
        "addopts=",
        *(word for name in ("cacheprovider", "terminal", "xdist") for word in ("-p", f"no:{name}")),
    ]
    failures = Failures()
    pytest.main(
        [*alone, "--noconftest", *(f"{broken_parts.__file__}::{each}" for each in expected)], plugins=[failures]
    )
    assert list(failures.found) == expected
    for text in failures.found.values():
        assert "AssertionError" in text or "DID NOT RAISE" in text or "E       assert" in text


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "nas.testing")
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(
        UsageError, match=r"nas.testing needs pytest, which is not installed; pip install 'nas-supernet\[test\]'"
    ):
        importlib.import_module("nas.testing")
