"""Which networks of a table are learnt from, and that a predictor is evaluated by the others."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_devices import DEVICES, setup_of, write_devices

from nas.errors import UsageError
from nas.hardware import Catalogue, Recorded, feature_table
from nas.latency.fitting import fit_latency
from nas.latency.model import LatencyModel
from nas.latency.sampling import Samples, take_samples
from nas.latency.transfer import transfer_predictor
from nas.predictors import Encoding, prediction_errors
from nas.setup import RunFolder, Setup, Silent

KINDS = ("linear", "regression", "transfer")
NUMBERS = ("within_5pct", "within_10pct", "spearman", "mape")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_devices(tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="module")
def fitted(table: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose predictor was fitted to thirty networks."""
    folder = RunFolder(tmp_path_factory.mktemp("fitted") / "run")
    fit_latency(setup_of(table, networks=30), folder, Silent())
    return folder


def samples_of(setup: Setup, folder: Path) -> Samples:
    return take_samples(setup, RunFolder(folder), Encoding(setup.space), None, Silent())


def encoding_of(setup: Setup) -> Encoding:
    """As the profile makes it."""
    return Encoding(setup.space, feature_table(Catalogue(setup.supernet, setup.data.input_shape)))


@pytest.mark.parametrize("networks", [4, 24, 40])
def test_what_is_learnt_from_and_what_is_held_out_are_the_whole_table(
    networks: int, table: Path, tmp_path: Path
) -> None:
    setup = setup_of(table, networks=networks, held_out=3)
    samples = samples_of(setup, tmp_path)
    assert len(samples.trained) == len(set(samples.trained)) == networks
    assert not set(samples.trained) & set(samples.held_out)
    assert set(samples.trained) | set(samples.held_out) == set(setup.space)
    assert len(samples.trained) + len(samples.held_out) == setup.space.size == 729
    assert isinstance(setup.target, Recorded)
    for architectures, latencies in ((samples.trained, samples.trained_ms), (samples.held_out, samples.held_out_ms)):
        assert latencies.tolist() == [setup.target.latencies[each.key] for each in architectures]


def test_at_least_a_third_of_a_table_is_held_out(table: Path, tmp_path: Path) -> None:
    samples = samples_of(setup_of(table, networks=10_000), tmp_path)
    assert (len(samples.trained), len(samples.held_out)) == (486, 243)


def test_a_table_of_six_is_enough_and_one_of_five_is_not(table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines(keepends=True)
    (tmp_path / "six.csv").write_text("".join(lines[:7]))
    samples = samples_of(setup_of(tmp_path / "six.csv"), tmp_path)
    assert (len(samples.trained), len(samples.held_out)) == (4, 2)
    (tmp_path / "five.csv").write_text("".join(lines[:6]))
    with pytest.raises(UsageError, match=r"five\.csv has 5 architectures, too few"):
        setup_of(tmp_path / "five.csv")


def test_a_seed_chooses_the_same_networks_and_another_seed_others(table: Path, tmp_path: Path) -> None:
    chosen = [samples_of(setup_of(table, seed=seed, networks=30), tmp_path).trained for seed in (5, 5, 6)]
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0]) & set(chosen[2])) < 15


def test_the_choice_of_networks_does_not_depend_on_what_was_measured(table: Path, tmp_path: Path) -> None:
    chosen = [samples_of(setup_of(table, device=name, networks=48), tmp_path).trained for name in ("alpha", "new")]
    assert chosen[0] == chosen[1]


def test_networks_after_the_first_are_spread_wider_than_random_ones(table: Path, tmp_path: Path) -> None:
    """A linear model with ridge penalty is less uncertain of the space than with as many random ones."""
    setup = setup_of(table, networks=48)
    encoding = encoding_of(setup)
    everything = encoding(list(setup.space))
    centre, scale = everything.mean(0), np.where(everything.std(0) > 0, everything.std(0), 1.0)

    def uncertainty(architectures: Any) -> float:
        rows = (encoding(architectures) - centre) / scale
        covariance = np.linalg.inv(rows.T @ rows + np.eye(rows.shape[1]))
        return float((((everything - centre) / scale @ covariance) * ((everything - centre) / scale)).sum(1).max())

    chosen = take_samples(setup, RunFolder(tmp_path), encoding, None, Silent()).trained
    random = [samples_of(setup_of(table, seed=seed, networks=24), tmp_path).trained for seed in range(2, 6)]
    assert uncertainty(chosen) < min(uncertainty([*a, *b]) for a, b in zip(random[:2], random[2:], strict=True))


@pytest.mark.parametrize("neighbours", [0.0, 0.3], ids=["additive", "with neighbours"])
def test_errors_are_those_on_held_out_networks_which_have_no_say_in_what_wins(
    neighbours: float, tmp_path: Path
) -> None:
    table = write_devices(tmp_path, neighbours)
    setup = setup_of(table, networks=60, known=list(DEVICES[:3]))
    model = fit_latency(setup, RunFolder(tmp_path / "run"), Silent())
    summary = model.summary
    held_out = {name: np.array(values) for name, values in summary["held_out"].items()}
    errors = prediction_errors(held_out["measured"], held_out["predicted"])
    assert {name: summary[name] for name in NUMBERS} == {name: getattr(errors, name) for name in NUMBERS}
    encoding = encoding_of(setup)
    samples = take_samples(setup, RunFolder(tmp_path), encoding, transfer_predictor(setup, encoding), Silent())
    assert sorted(held_out["measured"]) == sorted(samples.held_out_ms)
    assert held_out["ids"].tolist() == [each.id for each in samples.held_out]
    assert len(held_out["ids"]) <= 729 - 60
    rows = [
        {tuple(row) for row in encoding(part)[:, encoding.one_hot :]} for part in (samples.trained, samples.held_out)
    ]
    assert not rows[0] & rows[1], "a network that does the same work was learnt from"
    assert [row["kind"] for row in summary["compared"]] == list(KINDS)
    (chosen,) = [row for row in summary["compared"] if row["chosen"]]
    assert chosen["cross_validated"] == min(row["cross_validated"] for row in summary["compared"])
    assert chosen["mape"] == summary["mape"]
    assert chosen["kind"] == summary["kind"] == model.predictor.kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_asked_for_is_made_and_loads_as_it_was(kind: str, table: Path, tmp_path: Path) -> None:
    setup = setup_of(table, networks=30, predictor=kind, known=list(DEVICES[:3]))
    folder = RunFolder(tmp_path / "run")
    model = fit_latency(setup, folder, Silent())
    assert model.summary["kind"] == kind and len(model.summary["compared"]) == 1
    again = LatencyModel.load(folder.predictor, setup)
    architectures = list(setup.space)[::50]
    assert again.predict(architectures) == model.predict(architectures)
    with pytest.raises(UsageError, match="was fitted for target"):
        LatencyModel.load(folder.predictor, setup_of(table, device="alpha"))


def test_a_table_has_no_lookup(table: Path, tmp_path: Path) -> None:
    model = fit_latency(setup_of(table, networks=30, predictor="all"), RunFolder(tmp_path / "run"), Silent())
    assert [row["kind"] for row in model.summary["compared"]] == ["linear", "regression"]


@pytest.mark.parametrize("seed", [0, 1])
def test_transfer_from_three_devices_beats_regression_from_ten_networks(seed: int, tmp_path: Path) -> None:
    table, errors = write_devices(tmp_path, 0.1), {}
    for kind in ("regression", "transfer"):
        known = list(DEVICES[:3]) if kind == "transfer" else []
        setup = setup_of(table, seed, networks=10, predictor=kind, known=known)
        errors[kind] = fit_latency(setup, RunFolder(tmp_path / kind), Silent()).summary["mape"]
    assert errors["transfer"] < 0.7 * errors["regression"]
    assert errors["transfer"] < 0.06


def test_what_is_recorded_is_not_predicted(table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines(keepends=True)
    (tmp_path / "half.csv").write_text("".join(lines[:400]))
    setup = setup_of(tmp_path / "half.csv", networks=30)
    model = fit_latency(setup, RunFolder(tmp_path / "run"), Silent())
    assert isinstance(setup.target, Recorded)
    for architecture in list(setup.space)[::40]:
        latency, spread, source = model.recall(architecture)
        if architecture.key in setup.target.latencies:
            assert (latency, spread, source) == (setup.target.latencies[architecture.key], None, "recorded")
        else:
            assert (latency, source) == (model.predict([architecture])[0], "predicted")
            assert spread == pytest.approx(latency * model.summary["mape"])


@pytest.mark.parametrize("change", [{"width": 8}, {"head": 8}], ids=["width", "head"])
def test_a_predictor_of_a_model_with_the_same_choices_but_another_size_is_refused(
    change: dict[str, int], table: Path, fitted: RunFolder
) -> None:
    setup = setup_of(table, networks=30)
    values = setup.config.model_dump(mode="json")
    values["space_args"] |= change
    other = Setup(type(setup.config).model_validate(values))
    assert other.space.fingerprint == setup.space.fingerprint
    with pytest.raises(UsageError, match="was fitted for model 'chain"):
        LatencyModel.load(fitted.predictor, other)


@pytest.mark.parametrize("name", ["summary.json", "model", "encoding.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"no such thing"], ids=["empty", "no keys", "text"])
def test_a_damaged_predictor_is_named(
    name: str, content: bytes, table: Path, fitted: RunFolder, tmp_path: Path
) -> None:
    folder = RunFolder(Path(shutil.copytree(fitted.path, tmp_path / "run")))
    (folder.predictor / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"{name} .*; delete the folder .*run/latency and resume its run to make it"):
        fit_latency(setup_of(table, networks=30), folder, Silent())


def test_a_deleted_predictor_is_made_again(table: Path, fitted: RunFolder, tmp_path: Path) -> None:
    folder, setup = RunFolder(Path(shutil.copytree(fitted.path, tmp_path / "run"))), setup_of(table, networks=30)
    before = fit_latency(setup, folder, Silent()).summary
    shutil.rmtree(folder.predictor)
    after = fit_latency(setup, folder, Silent()).summary
    assert {key: after[key] for key in NUMBERS} == {key: before[key] for key in NUMBERS}
