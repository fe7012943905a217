"""A model that somebody has is searched by its name, with its weights, from the command line."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from command_line import TINY, Outcome, nas
from torch import Tensor, nn

from nas.delivery.rebuilding import load_network
from nas.setup import RunFolder, resolve
from nas.setup.run_setup import Setup

MODULE = """
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.norm(self.conv(x)))


class Plain(nn.Module):
    def __init__(self, input_shape, classes, width=16):
        super().__init__()
        self.stem = nn.Conv2d(input_shape[0], width, 3, padding=1)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Deciding(Plain):
    def forward(self, x):
        return super().forward(x if x.mean() > 0 else -x)


def wide(input_shape):
    return Plain(input_shape, 12)


def bare(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


def colours(classes):
    return Plain((3, 8, 8), classes)


def grey(classes):
    return Plain((1, 8, 8), classes)
"""
OWN: dict[str, Any] = {key: value for key, value in TINY.items() if key not in ("space", "space_args")}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the module ``plain_network``, its weights, and runs."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "plain_network.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        torch.manual_seed(3)
        torch.save({"state_dict": plain().state_dict()}, folder / "weights.pt")
        yield folder
    sys.modules.pop("plain_network", None)


def plain() -> nn.Module:
    import plain_network  # type: ignore[import-not-found]

    return plain_network.Plain((1, 8, 8), 10)  # type: ignore[no-any-return]


def searched(folder: Path, *more: object) -> Outcome:
    """A tiny search into ``folder/results``."""
    file = folder / "config-of-this-test.yaml"
    file.write_text(yaml.safe_dump(OWN))
    return nas("search", "--config", file, "--results", folder / "results", "--json", *more)


@pytest.fixture(scope="module")
def untrained(here: Path) -> tuple[Path, Outcome]:
    """A search of pretrained weights as they are."""
    given = ["--model", "plain_network:Plain", "--checkpoint", here / "weights.pt"]
    outcome = searched(here, *given, "--method", "none", "--name", "untrained")
    assert outcome.code == 0, outcome.err
    return here / "results" / "untrained", outcome


def weights(here: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(here / "weights.pt", weights_only=True)["state_dict"]
    return state


def test_what_varies_is_shown_and_kept(untrained: tuple[Path, Outcome]) -> None:
    path, outcome = untrained
    kept = (path / "space.txt").read_text().splitlines()
    assert kept[0].startswith("What varies: 2 choices") and max(map(len, kept)) <= 80
    assert "\n".join(kept) in outcome.err
    assert "The model that was given has accuracy" in outcome.err


def test_the_configuration_tells_whose_weights_they_are(untrained: tuple[Path, Outcome], here: Path) -> None:
    config = RunFolder(untrained[0]).read_config()
    assert config.space == "elastic" and config.space_args["model"] == "plain_network:Plain"
    assert config.space_args["checkpoint"] == str(here / "weights.pt") and len(config.space_args["digest"]) == 16
    assert config.pretrained and config.training.learning_rate == pytest.approx(0.02)


def test_nothing_is_trained_and_the_original_is_compared_with(untrained: tuple[Path, Outcome], here: Path) -> None:
    path, outcome = untrained
    from nas.training import load_checkpoint

    tensors, header = load_checkpoint(RunFolder(path).supernet)
    assert header["history"] == []
    stem = torch.cat([tensors["model/model.stem.weight"].flatten(), tensors["model/model.stem.bias"]])
    original = torch.cat([weights(here)["stem.weight"].flatten(), weights(here)["stem.bias"]])
    assert torch.equal(stem.sort().values, original.sort().values), "in another order"
    result = outcome.json
    assert result["method"] == "none" and result["best"]["flops"] <= 0.6 * result["largest"]["flops"]
    assert "shared_accuracy" not in result["largest"] and 0 <= result["largest"]["test_accuracy"] <= 1
    assert (path / "report.html").exists()


def test_a_run_goes_on_with_the_same_weights_alone(untrained: tuple[Path, Outcome], here: Path) -> None:
    results = here / "results"
    shutil.copytree(untrained[0], results / "other")
    for file in ("best.json", "candidates.csv"):
        (results / "other" / file).unlink()
    former = (here / "weights.pt").read_bytes()
    try:
        torch.save(plain().state_dict(), here / "weights.pt")
        changed = nas("resume", "other", "--results", results, "--trust")
        (here / "weights.pt").unlink()
        gone = nas("resume", "other", "--results", results, "--trust")
    finally:
        (here / "weights.pt").write_bytes(former)
    assert changed.code == gone.code == 2
    assert "weights.pt is not the file that this run began with" in changed.complaint
    assert "weights.pt cannot be read: No such file" in gone.complaint


def test_the_module_of_a_run_of_somebody_else_is_not_imported(
    untrained: tuple[Path, Outcome], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "state-of-another"))
    outcome = nas("resume", "untrained", "--results", here / "results")
    assert outcome.code == 2 and "names space_args.model 'plain_network:Plain'" in outcome.complaint


def test_channels_are_ordered_by_training_images_and_so_again(here: Path) -> None:
    given = ["--model", "plain_network:Plain", "--checkpoint", here / "weights.pt", "--method", "none"]
    first = searched(here, *given, "--set", "space_args.order=taylor", "--name", "ordered")
    assert first.code == 0, first.err
    folder = RunFolder(here / "results" / "ordered")
    assert folder.read_config().space_args["order"] == "taylor"
    assert load_network(folder.path / "best.network.json", trust=True)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    trained = folder.supernet.read_bytes()
    for file in (folder.best, folder.candidates, folder.supernet):
        file.unlink()
    again = nas("resume", "ordered", "--results", here / "results", "--json")
    assert again.code == 0, again.err
    assert folder.supernet.read_bytes() == trained
    assert again.json["best"]["architecture"] == first.json["best"]["architecture"]


def test_it_is_listed_by_the_name_of_the_model(untrained: tuple[Path, Outcome]) -> None:
    listed = nas("list", "runs", "--results", untrained[0].parent, "--json").json
    assert [row["space"] for row in listed if row["run"] == "untrained"] == ["plain_network:Plain"]


def test_its_ranking_is_compared(untrained: tuple[Path, Outcome], tmp_path: Path) -> None:
    path, _ = untrained
    space = Setup(RunFolder(path).read_config()).space
    rows = [{"architecture": space.sample(seed).to_json(), "trained": 80 + seed} for seed in range(6)]
    pd.DataFrame(rows).drop_duplicates("architecture").to_csv(tmp_path / "truth.csv", index=False)
    outcome = nas(
        "rank", "untrained", "--truth", tmp_path / "truth.csv", "--column", "trained", "--results", path.parent
    )
    assert outcome.code == 0, outcome.err
    record = json.loads((path / "ranking.json").read_text())
    assert record["space"] == "plain_network:Plain" and record["tau"]["value"] is not None


def test_a_table_without_data_needs_the_shape_of_an_input(here: Path, tmp_path: Path) -> None:
    space = Setup(RunFolder(here / "results" / "untrained").read_config()).space
    rows = [{"architecture": each.to_json(), "trained": number} for number, each in enumerate(space)]
    pd.DataFrame(rows).to_csv(tmp_path / "all.csv", index=False)
    words = ["benchmark", "--space", "elastic", "--set", "space_args.model=plain_network:Plain", "--metric", "trained"]
    words += ["--table", str(tmp_path / "all.csv"), "--results", str(tmp_path), "--seeds", "2", "--candidates", "3"]
    words += ["--set", "space_args.kernel=fixed", "--strategies", "random"]
    other = nas(*words, "--set", "space_args.model=plain_network:grey")
    assert other.code == 2 and "space_args.input_shape and space_args.classes tell of others" in other.complaint
    outcome = nas(*words, "--set", "space_args.model=plain_network:grey", "--set", "space_args.input_shape=[1, 8, 8]")
    assert outcome.code == 0, outcome.err


def test_an_architecture_is_exported(untrained: tuple[Path, Outcome], tmp_path: Path) -> None:
    path, _ = untrained
    outcome = nas("export", "untrained", "--results", path.parent, "--out", tmp_path / "one.onnx", "--json")
    assert outcome.code == 0 and json.loads(outcome.out)["onnx"] == str(tmp_path / "one.onnx")


@pytest.mark.slow
def test_fine_tuning_ends_with_a_plain_network(here: Path) -> None:
    given = ["--model", "plain_network:Plain", "--checkpoint", here / "weights.pt", "--name", "tuned"]
    outcome = searched(here, *given, "--finish", 2)
    assert outcome.code == 0, outcome.err
    config = RunFolder(here / "results" / "tuned").read_config()
    assert config.finish.distillation == 0.5 and config.retraining.learning_rate == pytest.approx(0.02)
    again = searched(here, "--supernet", "tuned", "--name", "again")
    assert again.code == 0, again.err
    retrained = nas("retrain", "tuned", "--results", here / "results", "--trials", 2)
    assert retrained.code == 0, retrained.err


@pytest.mark.slow
def test_a_model_without_weights_is_profiled(here: Path) -> None:
    given = ["--model", "plain_network:Plain", "--task", "digits", "--set", "profile.seconds=0.5", "--samples", 6]
    outcome = nas("profile", *given, "--results", here / "results", "--set", "profile.held_out=3", "--json")
    assert outcome.code == 0, outcome.err
    assert (here / "results" / "profile-plain_network-Plain-onnxruntime" / "space.txt").exists()


REFUSED: dict[str, tuple[list[str], str]] = {
    "a space beside it": (["chain", "--model", "plain_network:Plain"], "but space 'chain' is named too; drop one"),
    "weights of nothing": (["--checkpoint", "weights.pt"], "but no model has its weights; name it by --model"),
    "no model": (["elastic"], "space 'elastic' needs a model; name it by --model or space_args.model"),
    "an unknown option": (
        ["--model", "plain_network:Plain", "--set", "space_args.widht=[1]"],
        "space 'elastic' has no option 'widht'; did you mean 'width'",
    ),
    "an unknown order": (
        ["--model", "plain_network:Plain", "--set", "space_args.order=gradient"],
        "space 'elastic' has order 'gradient', but input should be 'l1', 'l2', 'taylor' or 'activation'",
    ),
    "no such file": (
        ["--model", "plain_network:Plain", "--checkpoint", "no.pt"],
        r"checkpoint .*/no.pt cannot be read: No such file or directory",
    ),
    "values decide": (["--model", "plain_network:Deciding"], r"cannot vary: .* reads values of its input"),
    "nothing varies": (["--model", "plain_network:bare"], r"cannot vary: nothing in Sequential can vary"),
    "another input": (["--model", "plain_network:colours"], r"cannot vary: Plain cannot be run on the example"),
    "other outputs": (["--model", "plain_network:wide"], r"outputs of shape \[12\], but task 'digits' has 10 classes"),
    "all stays": (
        ["--model", "plain_network:Plain", "--set", "space_args.include=[fc]"],
        r"model 'plain_network:Plain' cannot vary: nothing in Plain can vary: .* is not included",
    ),
    "nothing is trained": (
        ["--model", "plain_network:Plain", "--method", "none"],
        r"method 'none' trains nothing, and the weights of space 'elastic' are not trained either",
    ),
    "no time for nothing": (
        ["--model", "plain_network:Plain", "--method", "none", "--set", "pretrained=true", "--time", "60s"],
        r"a time is given, but method 'none' trains nothing that could take it",
    ),
    "nobody to teach": (
        ["--model", "plain_network:Plain", "--set", "distillation=0.5"],
        r"distillation is 0.5, but no pretrained network is there to teach",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_told_in_a_sentence(case: str, here: Path, tmp_path: Path) -> None:
    arguments, expected = REFUSED[case]
    outcome = searched(tmp_path, *arguments)
    assert outcome.code == 2 and outcome.complaint.startswith("nas: ") and outcome.complaint[-1] in ".?", outcome.err
    assert re.search(expected, outcome.complaint), outcome.complaint
    assert not (tmp_path / "results").exists()


def test_a_checkpoint_decides_what_nobody_has(here: Path) -> None:
    arguments = {"model": "plain_network:Plain", "checkpoint": str(here / "weights.pt")}
    given = resolve({"space": "elastic", "space_args": arguments}, "test")
    assert given.pretrained and given.distillation == given.finish.distillation == 0.5
    assert given.training.learning_rate == given.retraining.learning_rate == pytest.approx(0.02)
    other = resolve({"space": "elastic", "space_args": arguments, "training": {"learning_rate": 0.3}}, "test")
    assert other.training.learning_rate == other.retraining.learning_rate == 0.3
    assert given.space_args["kernel"] == "fixed"
    untaught = resolve({"space": "elastic", "space_args": arguments, "distillation": 0}, "test")
    assert untaught.distillation == untaught.finish.distillation == 0
    begun = resolve({"space": "elastic", "space_args": {**arguments, "fresh": ["head.*"]}}, "test")
    assert begun.pretrained and begun.distillation == 0, "a head that is fresh teaches nothing"
    assert resolve(given.model_dump(mode="json"), "test") == given
