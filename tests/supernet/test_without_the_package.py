"""An extracted network runs where this package is not installed: torch.export, ONNX and a pickled graph."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from shipped import SHIPPED, images, perturbed
from torch import nn

import nas
from nas.export import write_onnx

RUN = """
import sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("nas", "search_spaces"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import numpy as np
import onnxruntime
import torch

folder = Path(sys.argv[1])
for file in sorted(folder.glob("*.pt2")):
    y = torch.export.load(file).module()(torch.from_numpy(np.load(file.with_suffix(".npy"))))
    np.save(file.with_suffix(".export.npy"), y.detach().numpy())
for file in sorted(folder.glob("*.onnx")):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    np.save(file.with_suffix(".onnx.npy"), session.run(None, {"input": np.load(file.with_suffix(".npy"))})[0])
y = torch.load(folder / "cell.pt", weights_only=False)(torch.from_numpy(np.load(folder / "cell.npy")))
np.save(folder / "cell.pickle.npy", y.detach().numpy())
try:
    import nas
except ImportError:
    print("blocked")
"""


FEW = ("chain", "nasbench201", "resnet_pooling", "transformer_lm")
"""Plain layers, a graph of a cell, slices, and attention."""


@pytest.mark.whole
@pytest.mark.parametrize("names", [FEW, pytest.param(tuple(SHIPPED), marks=pytest.mark.slow)], ids=["few", "all"])
def test_extracted_networks_run_without_the_package(names: tuple[str, ...], tmp_path: Path) -> None:
    expected = {}
    for name, make in ((name, SHIPPED[name]) for name in names):
        x = make.inputs()
        np.save(tmp_path / f"{name}.npy", x.numpy())
        supernet = perturbed(make()).eval()
        network = supernet.extract(supernet.space.sample(3)).eval()
        expected[name] = network(x).detach().numpy()
        torch.export.save(torch.export.export(network, (x,)), tmp_path / f"{name}.pt2")
        if name != "chain":  # plain layers alone, as in mobilenet
            write_onnx(network, tmp_path / f"{name}.onnx", make.input_shape, dtype=make.input_dtype)
    cell = nas.nn.Cell(
        {(0, 1): nas.nn.OneOf([nas.nn.Zero(), nn.Conv2d(1, 2, 1)]), (0, 2): nn.Conv2d(1, 2, 1), (1, 2): nn.ReLU()}
    )
    supernet = nas.Supernet(nn.Sequential(cell))
    network = supernet.extract(supernet.space.largest())
    torch.save(network, tmp_path / "cell.pt")
    np.save(tmp_path / "cell.npy", images().numpy())
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("blocked")
    outputs = {file.name: np.load(file) for file in tmp_path.glob("*.export.npy")}
    outputs |= {file.name: np.load(file) for file in tmp_path.glob("*.onnx.npy")}
    assert len(outputs) == 2 * len(names) - 1
    for file, y in outputs.items():
        np.testing.assert_allclose(y, expected[file.split(".")[0]], rtol=1e-4, atol=1e-5)
    given, expected = np.load(tmp_path / "cell.pickle.npy"), network(images()).detach().numpy()
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)
