"""Devices that are known already: their frozen predictors serve wherever they lie, whatever runs here."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from synthetic_devices import DEVICES, setup_of, write_devices

from nas.errors import UsageError
from nas.hardware import Recorded
from nas.latency import transfer as known
from nas.latency.fitting import fit_latency
from nas.latency.transfer import transfer_predictor
from nas.predictors import Encoding
from nas.setup import RunFolder, Setup, Silent
from nas.setup.platforms import known_platforms, split_platform


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table of devices and finished profiles of two of them."""
    path = tmp_path_factory.mktemp("finished")
    table = write_devices(path)
    for name in DEVICES[:2]:
        setup, folder = setup_of(table, device=name, networks=30), RunFolder(path / name)
        folder.create(setup.config, "profile")
        fit_latency(setup, folder, Silent())
    return path


@pytest.fixture
def profiled(finished: Path, tmp_path: Path) -> list[RunFolder]:
    """Copies of these profiles, which a test may change, beside a copy of the table."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return [RunFolder(tmp_path / name) for name in DEVICES[:2]]


def new_setup(table: Path, folders: list[RunFolder], **changes: Any) -> Setup:
    """A setup that knows these devices and has a target of its own."""
    values = setup_of(table).config.model_dump(mode="json")
    profile = {"known": [str(folder.path) for folder in folders]}
    return Setup(
        type(setup_of(table).config).model_validate(
            {**values, "target": "cpu", "target_args": {}, "profile": profile, **changes}
        )
    )


def change_config(folder: RunFolder, **changes: Any) -> None:
    """Makes a run as if it had been started so."""
    changed = {**yaml.safe_load(folder.config.read_text()), **changes}
    folder.config.write_text(yaml.safe_dump(changed))
    folder.origin.write_text(json.dumps({**folder.read(folder.origin), "config": changed}))


def test_a_known_device_need_not_be_here_nor_its_data(
    profiled: list[RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = new_setup(tmp_path / "devices.csv", profiled)
    change_config(profiled[0], target="cuda", target_args={}, cpu_threads=7)
    change_config(profiled[1], target="gone.csv", data="npz", data_dir="gone")
    threads = torch.get_num_threads()

    def refused(*arguments: object) -> None:
        raise AssertionError("built the other run")

    monkeypatch.setattr(known, "Setup", refused)
    predictor = transfer_predictor(setup, Encoding(setup.space))
    assert predictor.known_y.shape[0] == 2 and predictor.groups == [str(folder.path) for folder in profiled]
    assert torch.get_num_threads() == threads


def test_a_known_device_of_other_networks_is_refused(profiled: list[RunFolder], tmp_path: Path) -> None:
    setup = new_setup(tmp_path / "devices.csv", profiled, image_size=16)
    with pytest.raises(UsageError, match="alpha, which is of input_shape 1x8x8, but this run has 1x16x16; profile"):
        transfer_predictor(setup, Encoding(setup.space))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", r"latency/summary\.json is damaged"),
        ("{}", r"alpha, which does not say what its predictor is of; profile it again"),
        (None, r"was fitted for target"),
    ],
    ids=["damaged", "from before the guard", "another predictor"],
)
def test_a_known_device_that_does_not_tell_what_it_is_of_is_refused(
    content: str | None, expected: str, profiled: list[RunFolder], tmp_path: Path
) -> None:
    setup = new_setup(tmp_path / "devices.csv", profiled)
    path = profiled[0].predictor / "summary.json"
    summary = json.loads(path.read_text())
    other = {**summary, "guard": {**summary["guard"], "target": "another"}}
    path.write_text(json.dumps(other) if content is None else content)
    with pytest.raises(UsageError, match=expected):
        transfer_predictor(setup, Encoding(setup.space))


def test_a_name_alone_is_a_platform_of_its_own() -> None:
    assert known_platforms(["a", "b@gpu", "c@gpu", "a@b@gpu"]) == {"a": "a", "b": "gpu", "c": "gpu", "a@b": "gpu"}
    assert split_platform("me@home/results/devices/a") == ("me@home/results/devices/a",) * 2
    assert split_platform("me@home/results/devices/a@gpu") == ("me@home/results/devices/a", "gpu")
    assert known_platforms([]) == {} and known_platforms(["a@gpu"]) == {"a": "gpu"}


@pytest.mark.parametrize("wrong", [["a", "a@gpu"], ["a@gpu", "b@gpu"], ["@gpu", "b"], ["a@", "b"]])
def test_platforms_that_cannot_be(wrong: list[str]) -> None:
    with pytest.raises(UsageError, match=r"'(a|gpu|@gpu|a@)'"):
        known_platforms(wrong)


def test_measurements_are_the_same_wherever_their_file_lies(tmp_path: Path) -> None:
    tables = [write_devices(folder) for folder in (tmp_path / "here", tmp_path / "there") if folder.mkdir() is None]
    guards = [setup_of(table).guard for table in tables]
    assert guards[0] == guards[1]
    lines = tables[1].read_text().splitlines()
    tables[1].write_text("\n".join(lines[:-1]))
    assert setup_of(tables[1]).guard != guards[0], "other measurements are another target"
    assert setup_of(tables[0], device="alpha").guard != guards[0]


def test_known_columns_keep_their_names_without_the_platform(tmp_path: Path) -> None:
    setup = setup_of(write_devices(tmp_path), known=["alpha@x", "beta@x", "gamma"])
    assert isinstance(setup.target, Recorded) and list(setup.target.known) == ["alpha", "beta", "gamma"]
    predictor = transfer_predictor(setup, Encoding(setup.space))
    assert predictor.groups == ["x", "x", "gamma"] and np.isfinite(predictor.known_y).all()
