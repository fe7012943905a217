"""The configuration of a run: defaults, precedence, round trip, complaints."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from nas.errors import UsageError
from nas.methods import METHODS, Method
from nas.setup import RunConfig, assign, read_yaml, resolve


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"method": "spos", "training": {"epochs": 3}, "retraining": {"epochs": 9}},
        {"space": "chain", "space_args": {"layers": [1, 2], "width": None}, "data_dir": "some/folder"},
        {"constraints": [], "cost": "flops", "retrain": "inherited", "strategy_args": {"population": 8}},
        {"evaluation": {"batch_size": 7}, "profile": {"seconds": 0.25}, "seed": 12345, "limit": 100},
    ],
)
def test_a_resolved_configuration_reads_back_equal(values: dict[str, Any], tmp_path: Path) -> None:
    config = resolve(values, "test")
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    assert resolve(read_yaml(file), str(file)) == config
    assert set(read_yaml(file)) == set(RunConfig.model_fields)


def test_every_field_is_described() -> None:
    groups = ("evaluation", "profile", "finish")
    for model in (RunConfig, *(RunConfig.model_fields[name].annotation for name in groups)):
        assert model is not None and model.__doc__ is not None
        documented = {line.split(":")[0].strip() for line in model.__doc__.splitlines() if ":" in line}
        assert set(model.model_fields) <= documented


def test_the_method_decides_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = {"epochs": 77, "label_smoothing": 0.1}
    mine = ModuleType("mine")
    mine.OWN = replace(METHODS["spos"], name="own", recipe=recipe, retrain="inherited")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mine", mine)
    config = resolve({"method": "mine:OWN", "finish": {"networks": 0}}, "test")
    assert (config.training.epochs, config.training.label_smoothing, config.retrain) == (77, 0.1, "inherited")
    assert config.retraining == config.training
    given = {"method": "mine:OWN", "training": {"epochs": 5}, "retrain": "no", "retraining": {"label_smoothing": 0.0}}
    config = resolve(given, "test")
    assert (config.training.epochs, config.training.label_smoothing, config.retrain) == (5, 0.1, "no")
    assert (config.retraining.epochs, config.retraining.label_smoothing) == (5, 0.0)


def test_an_unquoted_no_is_no() -> None:
    values: dict[str, Any] = {"method": "spos"}
    assign(values, "retrain=no")
    assert resolve(values, "test").retrain == "no"


@pytest.mark.parametrize("method", [METHODS[name] for name in METHODS], ids=METHODS)
def test_methods_retrain_as_published(method: Method) -> None:
    values = {"method": method.name, "finish": {"networks": 0}, "pretrained": not method.trains}
    assert resolve(values, "test").retrain == method.retrain


def test_what_a_method_says_of_the_last_round_stays_beside_a_flag() -> None:
    config = resolve({"method": "latency-pruning", "finish": {"networks": 2}}, "test")
    assert (config.finish.networks, config.finish.distillation) == (2, 0.5)


def test_file_then_flags_then_settings(tmp_path: Path) -> None:
    from nas.cli.settings import resolve as resolve_typed

    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"seed": 1, "candidates": 10, "training": {"epochs": 1, "batch_size": 8}}))
    flags = {"seed": 2, "candidates": None, "training.epochs": 2}
    config = resolve_typed(file, flags, ["seed=3", "training.epochs=3"], tmp_path)
    assert (config.seed, config.candidates) == (3, 10)
    assert (config.training.epochs, config.training.batch_size) == (3, 8)
    config = resolve_typed(file, flags, [], tmp_path)
    assert (config.seed, config.candidates, config.training.epochs, config.training.batch_size) == (2, 10, 2, 8)
    assert resolve_typed(None, flags, None, tmp_path).candidates == RunConfig().candidates


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("seed=3", {"seed": 3}),
        ("training.epochs=3", {"training": {"batch_size": 8, "epochs": 3}}),
        ("profile.seconds=2.5", {"profile": {"seconds": 2.5}}),
        (
            "constraints=[flops <= 3, params <= 50% of largest]",
            {"constraints": ["flops <= 3", "params <= 50% of largest"]},
        ),
        ("space_args.a.b={c: 1}", {"space_args": {"a": {"b": {"c": 1}}}}),
        ("cost=", {"cost": None}),
        ("data=module:function=1", {"task": "module:function=1"}),
    ],
)
def test_settings(setting: str, expected: dict[str, Any]) -> None:
    values: dict[str, Any] = {"training": {"batch_size": 8}}
    assign(values, setting)
    assert values == {"training": {"batch_size": 8}, **expected}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"candidats": 3}, "test: unknown key 'candidats'; did you mean 'candidates'?"),
        ({"training": {"epoch": 3}}, "test: unknown key 'training.epoch'; did you mean 'epochs'?"),
        ({"retraining": {"lr": 3}}, "test: unknown key 'retraining.lr'; known are amp, "),
        ({"evaluation": {"batchsize": 3}}, "test: unknown key 'evaluation.batchsize'; did you mean 'batch_size'?"),
        ({"profile": {"network": 3}}, "test: unknown key 'profile.network'; did you mean 'networks'?"),
        ({"candidates": "x"}, "test: candidates is 'x', but input should be a valid integer"),
        ({"candidates": 2.5}, "test: candidates is 2.5, but input should be a valid integer"),
        ({"constraints": [3]}, "test: constraints.0 is 3, but input should be a valid string"),
        ({"space_args": [1]}, "test: space_args is [1], but input should be a valid dictionary"),
        ({"retrain": "yes"}, "test: retrain is 'yes', but input should be 'no', 'inherited' or 'fresh'"),
        (
            {"training": {"optimizer": "lion"}},
            "test: training.optimizer is 'lion', but input should be 'sgd' or 'adamw'",
        ),
        ({"training": 7}, "test: training is 7, expected a mapping"),
        ({"profile": {"seconds": 0}}, "test: profile.seconds is 0, but input should be greater than 0"),
        ({"method": "bigna"}, "method 'bigna' is not known; did you mean 'bignas'?"),
    ],
)
def test_complaints(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(values, "test")
    assert str(caught.value).startswith(sentence)
    assert str(caught.value)[-1] in ".?"


def test_data_is_the_old_name_of_task(tmp_path: Path) -> None:
    from nas.cli.settings import resolve as resolve_typed

    file = tmp_path / "config.yaml"
    file.write_text("data: cifar10\n")
    assert resolve_typed(file, {}, None, tmp_path).task == "cifar10"
    assert resolve_typed(file, {"task": "digits"}, None, tmp_path).task == "digits"
    assert resolve_typed(file, {"task": "digits"}, ["data=npz"], tmp_path).task == "npz"
    assert resolve({"data": "digits"}, "test") == resolve({"task": "digits"}, "test")
    assert resolve({"task": "digits", "data": "digits"}, "test").task == "digits"
    assert yaml.safe_load(resolve({"data": "digits"}, "test").to_yaml())["task"] == "digits"
    file.write_text("data: cifar10\ntask: digits\n")
    with pytest.raises(UsageError, match=r"task is 'digits' and data, its old name, 'cifar10'; drop data\."):
        resolve_typed(file, {}, None, tmp_path)
