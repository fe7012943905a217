"""A run from Python is the run of the command: same folder, same files, and the network that was handed over."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.cli import main
from nas.errors import UsageError
from nas.search import RandomSearch
from nas.setup import Silent
from nas.training import Recipe
from search_spaces.chain import chain

SETTINGS: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 200,
    "method": "bignas",
    "strategy": "random",
    "constraints": ["flops <= 60% of largest"],
    "candidates": 8,
    "random_baseline": 0,
    "training": {"epochs": 2},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("python")
    with_objects = {
        "space": chain,
        "method": nas.methods.BIGNAS,
        "strategy": RandomSearch,
        "training": Recipe(epochs=2),
    }
    return nas.Run(**{**SETTINGS, **with_objects}).search("first", place, Silent())


def test_objects_and_names_ask_for_the_same(result: Any) -> None:
    run = nas.Run(**{**SETTINGS, "space": chain, "method": nas.methods.BIGNAS, "strategy": RandomSearch})
    assert run.config == nas.Run(**SETTINGS).config
    assert repr(run) == "nas.Run(space='chain', method='bignas', strategy='random')"


def test_numbers_of_numpy_and_classes_of_predictors_are_settings() -> None:
    predictor = {"predictor": nas.predictors.LinearPredictor, "seconds": np.float32(2)}
    run = nas.Run(space="chain", candidates=np.int64(5), profile=predictor)
    assert (run.config.candidates, run.config.profile.predictor, run.config.profile.seconds) == (5, "linear", 2.0)


def test_the_folder_is_that_of_the_command(result: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(json.dumps(SETTINGS))
    with pytest.raises(SystemExit, match="0"):
        main(["search", "--config", str(file), "--name", "first", "--results", str(tmp_path)])
    ours, theirs = result.path, tmp_path / "first"
    assert {each.name for each in ours.iterdir()} == {each.name for each in theirs.iterdir()}
    assert (ours / "config.yaml").read_text() == (theirs / "config.yaml").read_text()
    columns = ["id", "selection_accuracy", "flops"]
    told = nas.load(theirs).candidates[columns]
    assert told.equals(result.candidates[columns])
    with pytest.raises(SystemExit, match="0"):
        main(["resume", "first", "--results", str(ours.parent), "--json"])
    assert (
        json.loads(capsys.readouterr().out.splitlines()[-1])["best"]
        == json.loads((ours / "best.json").read_text())["best"]
    )


def test_what_it_found_is_at_hand(result: Any) -> None:
    assert result.best.architecture.id in set(result.front["id"]) and result.report.exists()
    assert len(result.candidates) == 8 and list(result.notes) == result.row["notes"]
    assert result.best.architecture.id in repr(result)


def test_the_network_is_the_one_in_the_file(result: Any) -> None:
    import onnxruntime

    data = nas.data.load("digits", limit=200)
    images, _ = next(data.test.pixels(32))
    network = nas.export.reading(result.best.network(), data.inputs("unit"))
    session = onnxruntime.InferenceSession(result.best.onnx)
    (expected,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(network(images).numpy(), expected, atol=1e-4)
    assert not result.best.network().training


def test_it_goes_on_where_it_left_off(result: Any) -> None:
    again = nas.Run(**SETTINGS).search("first", result.path.parent, Silent())
    assert again.row == result.row
    with pytest.raises(UsageError, match="another --name"):
        nas.Run(**{**SETTINGS, "seed": 1}).search("first", result.path.parent, Silent())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"spase": "chain"}, "nas.Run: unknown key 'spase'; did you mean 'space'?"),
        ({"training": {"epochs": "many"}}, "nas.Run: training.epochs is 'many'"),
        ({"method": "bigna"}, "method 'bigna' is not known; did you mean 'bignas'?"),
        ({"space": lambda input_shape, classes: None}, "space is <function .*, which is not at the top of a module"),
        ({"strategy": 3}, "nas.Run: strategy is 3"),
    ],
)
def test_what_is_wrong_is_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        nas.Run(**settings)


def test_what_a_script_defines_itself_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import nas\n\ndef mine(input_shape, classes): ...\n\nnas.Run(space=mine)\n")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "put it into a module of its own and import it from there" in ended.stderr


def test_what_nas_offers_is_shown_and_loaded_when_it_is_asked_for() -> None:
    assert {"Run", "methods", "Supernet"} <= set(dir(nas)) and "BIGNAS" in dir(nas.methods)
    with pytest.raises(AttributeError, match="has no attribute 'BIGNASS'"):
        nas.methods.BIGNASS  # noqa: B018
