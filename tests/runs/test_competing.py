"""When a retrained network counts as better than the one that is there."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nas.runs import Bench, RunFolder, competing


def test_a_single_image_does_not_decide(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(RunFolder(finished).load_config())
    count = len(bench.data.validation)

    def pretend(bench: Bench, file: bytes) -> SimpleNamespace:
        return SimpleNamespace(results=np.arange(count) < int(file))

    monkeypatch.setattr(competing, "_judged", pretend)
    assert not competing.is_better(bench, b"11", b"10") and not competing.is_better(bench, b"9", b"10")
    assert competing.is_better(bench, b"15", b"10")
