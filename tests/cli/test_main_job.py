"""The main job as the README gives it, without arguments but for the seed and the folder."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

from nas.setup import RunFolder, Setup
from nas.training import load_checkpoint, restore


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_noisy_digits_to_onnx(tmp_path, seed):
    command = [
        sys.executable,
        "-m",
        "nas",
        "search",
        "--seed",
        str(seed),
        "--results",
        tmp_path,
        "--name",
        "main",
        "--json",
    ]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    best, largest = result["best"], result["largest"]
    assert best["test_accuracy"] >= 0.65
    assert best["latency_ms"] <= 0.5 * largest["latency_ms"]

    folder = RunFolder(tmp_path / "main")
    setup = Setup(folder.load_config())
    restore(load_checkpoint(folder.supernet)[0], setup.supernet)
    network = setup.evaluator.network(setup.space.architecture(best["architecture"]))
    session = onnxruntime.InferenceSession(folder.onnx)
    correct = 0
    test = setup.data.test
    for (x, y), (pixels, _) in zip(test.batches(100), setup.inputs.batches(test, 100), strict=True):
        with torch.inference_mode():
            expected = network(x).argmax(1).numpy()
        given = session.run(None, {"input": pixels.numpy()})[0].argmax(1)
        assert np.array_equal(given, expected)
        correct += int((given == y.numpy()).sum())
    assert correct / len(test) == best["test_accuracy"]
