"""A finished run in Python: its network without its supernet, its supernet, its data, and how it shows itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.delivery.rebuilding import description_of, weights_of
from nas.errors import UsageError
from nas.setup import RunFolder, Silent

SETTINGS: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "task": "digits",
    "limit": 200,
    "constraints": ["flops <= 60% of largest"],
    "candidates": 6,
    "random_baseline": 0,
    "training": {"epochs": 2},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the run ``first``."""
    place = tmp_path_factory.mktemp("loaded")
    nas.Run(**SETTINGS).search("first", place, Silent())
    return place


@pytest.fixture
def moved(place: Path, tmp_path: Path) -> Path:
    """A copy of that run that its user confirmed."""
    path = Path(shutil.copytree(place / "first", tmp_path / "first"))
    RunFolder(path).trust()
    return path


def answers(file: Path, images: torch.Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]


def test_the_network_is_that_of_the_file_without_supernet_and_data(moved: Path) -> None:
    shutil.rmtree(moved / "checkpoints")
    result = nas.load(moved)
    network = nas.export.reading(result.best.network(), nas.data.load("digits", limit=200).inputs("unit"))
    images, _ = next(nas.data.load("digits", limit=200).test.pixels(32))
    with torch.no_grad():
        np.testing.assert_allclose(network(images).numpy(), answers(result.best.onnx, images), atol=1e-5)
    again = nas.load_network(moved / "best.safetensors")
    assert not again.training and not any(type(each).__module__.startswith("nas") for each in again.modules())
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, result.best.network().state_dict()[name])


def test_a_run_is_loaded_by_name_and_by_path(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_RESULTS", str(place))
    assert nas.load("first").row == nas.load(place / "first").row
    assert len(nas.load("first").front) and set(nas.load("first").candidates["id"]) >= set(
        nas.load("first").front["id"]
    )
    with pytest.raises(UsageError, match=f"run 'fist' does not exist in {place}.*did you mean 'first'"):
        nas.load("fist")


def test_supernet_and_data_are_those_of_the_run(place: Path) -> None:
    result = nas.load(place / "first")
    supernet, data = result.supernet(), result.data()
    evaluate = nas.SharedWeights(supernet, data)
    row = result.candidates.iloc[0]
    table = evaluate([nas.Architecture(json.loads(row["architecture"]))])
    assert table["accuracy"][0] == pytest.approx(row["selection_accuracy"], abs=1e-6)
    assert len(data.train) == 200


def test_a_table_in_a_notebook_is_text(moved: Path) -> None:
    result = nas.load(moved)
    shown = result._repr_html_()
    assert result.best.architecture.id in shown and shown.count("<table>") == 1
    poison = "</td><script>alert(1)</script>"
    best = json.loads((moved / "best.json").read_text())
    best |= {"run": poison, "front": [{**row, "id": poison} for row in best["front"]]}
    (moved / "best.json").write_text(json.dumps(best))
    assert "<script" not in nas.load(moved)._repr_html_() and "&lt;script&gt;" in nas.load(moved)._repr_html_()
    (moved / "best.json").write_text(json.dumps({**best, "best": {}}))
    with pytest.raises(UsageError, match=r"best\.json is damaged"):
        nas.load(moved)._repr_html_()


def test_what_is_wrong_with_the_files_is_a_sentence(moved: Path) -> None:
    file = description_of(moved / "best.onnx")
    about = json.loads(file.read_text())

    def refused(match: str, **changes: Any) -> None:
        file.write_text(json.dumps({**about, **changes}))
        with pytest.raises(UsageError, match=match):
            nas.load_network(file)

    refused("names space 'os:system', which this would import", config={**about["config"], "space": "os:system"})
    refused("unknown key 'spase'", config={**about["config"], "spase": "chain"})
    refused("its input or architecture cannot be read", input_shape=[-1, "8"])
    refused("its input or architecture cannot be read", input_dtype="nn")
    refused("does not fit the network that its space makes", outputs=11)
    refused("belongs to another network", sha256="0" * 64)
    file.write_text("[]")
    with pytest.raises(UsageError, match="is damaged"):
        nas.load_network(file)
    other = {**about["config"], "space_args": {"layers": [1, 1, 1], "width": 8, "head": 16}}
    file.write_text(json.dumps({**about, "config": other}))
    with pytest.raises(UsageError, match="another run than the one that it lies in"):
        nas.load(moved).best.network()
    weights_of(moved / "best.onnx").unlink()
    file.write_text(json.dumps(about))
    with pytest.raises(UsageError, match=r"best\.safetensors is not there"):
        nas.load_network(file)


def test_a_run_without_a_result_says_how_to_finish_it(moved: Path) -> None:
    (moved / "best.json").unlink()
    with pytest.raises(UsageError, match="no result yet; finish it with: nas resume first --results"):
        nas.load(moved)
