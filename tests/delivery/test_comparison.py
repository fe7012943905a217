"""When a retrained network counts as better than the one that is there."""

from types import SimpleNamespace

import numpy as np
import pytest
from searched import SETTINGS

from nas.data import Inputs
from nas.delivery import comparison
from nas.setup import Setup, resolve


def test_a_single_image_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup(resolve(SETTINGS, "test"))
    count = len(setup.data.validation)

    def pretend(setup: Setup, file: bytes, inputs: Inputs) -> SimpleNamespace:
        assert inputs is setup.inputs
        return SimpleNamespace(results=np.arange(count) < int(file))

    def is_better(new: bytes, old: bytes) -> bool:
        return comparison.is_better(setup, (new, setup.inputs), (old, setup.inputs))

    monkeypatch.setattr(comparison, "_tally", pretend)
    assert not is_better(b"11", b"10") and not is_better(b"9", b"10")
    assert is_better(b"15", b"10")
