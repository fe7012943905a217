"""A predictor together with its encoding, on disk and back, whichever kind it is."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import (
    PREDICTORS,
    ArchitecturePredictor,
    BlockTable,
    BlockValues,
    Encoding,
    LinearPredictor,
    LookupPredictor,
    RegressionPredictor,
    TransferPredictor,
)
from nas.space import Condition, Space

GUARD = {"space": "abc", "target": "cpu-1", "input_shape": "3x32x32"}


def space() -> Space:
    """Two blocks, of which the second is there at depth 2 alone."""
    second = {name: [(Condition(("depth",), frozenset({(1,)})),)] for name in ("kernel2", "width2")}
    choices = {"depth": [1, 2], "kernel1": [3, 5, 7], "kernel2": [3, 5, 7], "width2": [8, 16, 24]}
    return Space(choices, second)


def table() -> BlockTable:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0.1, 1, (4, 2)), rng.uniform(0.1, 1, (3, 4, 4, 2))
    first[-1], second[[0, 2]] = 0, 0
    return BlockTable(["ms", "blocks"], [BlockValues((1,), first), BlockValues((0, 2, 3), second)])


def encoding() -> Encoding:
    return Encoding(space(), table())


def latencies(seed: int = 0) -> np.ndarray:
    """Milliseconds of every architecture."""
    architectures = list(space())
    return 0.5 + 0.9 * table()(space().indices(architectures))[:, 0] * np.random.default_rng(seed).uniform(
        0.95, 1.05, len(architectures)
    )


def transfer() -> TransferPredictor:
    encoded = encoding()(list(space()))
    return TransferPredictor(encoded, [latencies(seed) * (1 + seed) for seed in range(3)])


MAKERS: dict[str, Callable[[], ArchitecturePredictor]] = {
    "linear": lambda: ArchitecturePredictor("linear", Encoding(space()), LinearPredictor()),
    "lookup": lambda: ArchitecturePredictor("lookup", encoding(), LookupPredictor(encoding().one_hot)),
    "regression": lambda: ArchitecturePredictor("regression", encoding(), RegressionPredictor(encoding().one_hot)),
    "transfer": lambda: ArchitecturePredictor("transfer", encoding(), transfer()),
}


def test_every_kind_is_tested() -> None:
    assert list(MAKERS) == list(PREDICTORS)
    assert all(isinstance(make().model, PREDICTORS[kind]) for kind, make in MAKERS.items())


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], ArchitecturePredictor]:
    return MAKERS[request.param]


def test_architectures_and_their_index_matrix_are_the_same(make: Callable[[], ArchitecturePredictor]) -> None:
    every = list(space())
    indices = space().indices(every)
    assert (indices == -1).any()
    by_name, by_index = make().fit(every[::2], latencies()[::2]), make().fit(indices[::2], latencies()[::2])
    for left, right in zip(by_name.predict(every), by_index.predict(indices), strict=True):
        np.testing.assert_array_equal(left, right)
    mean, spread = by_name.predict([])
    assert mean.shape == spread.shape == (0,)
    assert np.abs(by_name.predict(every)[0] / latencies() - 1).mean() < 0.2


def test_many_rows_go_through_in_parts(make: Callable[[], ArchitecturePredictor]) -> None:
    predictor = make().fit(list(space()), latencies())
    few = space().indices(list(space()))
    many = np.tile(few, (100_000 // len(few) + 1, 1))
    for some, all_of_them in zip(predictor.predict(few), predictor.predict(many), strict=True):
        np.testing.assert_allclose(all_of_them.reshape(-1, len(few)), np.tile(some, (len(many) // len(few), 1)))


def test_saved_and_loaded_bit_for_bit(make: Callable[[], ArchitecturePredictor], tmp_path: Path) -> None:
    every = list(space())
    predictor = make().fit(every[::2], latencies()[::2])
    predictor.save(tmp_path / "deep" / "predictor", GUARD)
    again = ArchitecturePredictor.load(tmp_path / "deep" / "predictor", GUARD)
    assert (again.kind, type(again.model)) == (predictor.kind, type(predictor.model))
    assert again.encoding.columns == predictor.encoding.columns
    assert again.encoding.space.fingerprint == space().fingerprint
    for before, after in zip(predictor.predict(every), again.predict(every), strict=True):
        np.testing.assert_array_equal(before, after)
    assert sorted(each.name for each in (tmp_path / "deep" / "predictor").iterdir()) == ["encoding.npz", "model"]


def test_errors_on_others_are_those_of_their_predictions(make: Callable[[], ArchitecturePredictor]) -> None:
    every = list(space())
    predictor = make().fit(every[::2], latencies()[::2])
    relative = np.abs(predictor.predict(every[1::2])[0] / latencies()[1::2] - 1)
    errors = predictor.errors_on(every[1::2], latencies()[1::2])
    assert errors.mape == pytest.approx(relative.mean())
    assert errors.within_5pct == (relative <= 0.05).mean()


@pytest.mark.parametrize(
    ("guard", "match"),
    [
        (GUARD | {"target": "cpu-2"}, "fitted for target 'cpu-1', but 'cpu-2' is wanted"),
        (GUARD | {"space": "xyz"}, "fitted for space 'abc', but 'xyz' is wanted"),
        (GUARD | {"input_shape": "1x8x8"}, "input_shape '3x32x32', but '1x8x8' is wanted"),
    ],
)
def test_another_guard_is_refused(
    make: Callable[[], ArchitecturePredictor], guard: dict[str, str], match: str, tmp_path: Path
) -> None:
    make().fit(list(space()), latencies()).save(tmp_path, GUARD)
    with pytest.raises(UsageError, match=match):
        ArchitecturePredictor.load(tmp_path, guard)


def test_only_a_lookup_predictor_gives_sums(make: Callable[[], ArchitecturePredictor]) -> None:
    every = list(space())
    predictor = make().fit(every, latencies())
    if predictor.kind == "lookup":
        sums, constant = predictor.sums()
        assert sums.columns == ("ms",)
        np.testing.assert_allclose(sums(space().indices(every))[:, 0] + constant, predictor.predict(every)[0])
    else:
        with pytest.raises(UsageError, match=f"a {predictor.kind} predictor has no expected latency .* fit a lookup"):
            predictor.sums()


def test_damaged_files_get_a_sentence(make: Callable[[], ArchitecturePredictor], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"encoding\.npz does not exist; fit a predictor"):
        ArchitecturePredictor.load(tmp_path, GUARD)
    make().fit(list(space()), latencies()).save(tmp_path, GUARD)
    model, path = tmp_path / "model", tmp_path / "encoding.npz"
    whole = path.read_bytes()
    for content in (b"", b"{}", whole[:-30], whole[: len(whole) // 2], whole[:10], whole[100:]):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"encoding\.npz is no saved encoding .*; fit the predictor again"):
            ArchitecturePredictor.load(tmp_path, GUARD)
    path.write_bytes(whole)
    for content in (b"{", b"[]", model.read_bytes()[:-30]):
        model.write_bytes(content)
        with pytest.raises(UsageError, match="model is no saved"):
            ArchitecturePredictor.load(tmp_path, GUARD)
    model.unlink()
    with pytest.raises(UsageError, match="model does not exist"):
        ArchitecturePredictor.load(tmp_path, GUARD)


def test_no_flipped_byte_gets_past_as_another_error(tmp_path: Path) -> None:
    predictor = MAKERS["lookup"]().fit(list(space()), latencies())
    predictor.save(tmp_path, GUARD)
    path, refused = tmp_path / "encoding.npz", 0
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            again = ArchitecturePredictor.load(tmp_path, GUARD)
        except UsageError:
            refused += 1
        else:
            np.testing.assert_array_equal(again.predict(list(space()))[0], predictor.predict(list(space()))[0])
    assert refused > len(whole) // 5 / 4


def rewritten(path: Path, **changes: object) -> None:
    content = {**dict(np.load(path, allow_pickle=False)), **changes}
    file = io.BytesIO()
    np.savez(file, **content)  # type: ignore[arg-type]
    path.write_bytes(file.getvalue())


def test_a_file_that_says_nonsense_is_refused(tmp_path: Path) -> None:
    MAKERS["lookup"]().fit(list(space()), latencies()).save(tmp_path, GUARD)
    path = tmp_path / "encoding.npz"
    whole = path.read_bytes()
    for changes, match in [
        ({"kind": np.array("lokup")}, r"no predictor here: predictor 'lokup' is not known; did you mean 'lookup'\?"),
        ({"kind": np.array("mine:Own")}, r"npz holds a predictor 'mine:Own', which this would import; name it with"),
        ({"space": np.array("{")}, "is no saved encoding .*is not the JSON of a space"),
        ({"space": np.array(Space({"depth": [1, 2]}).to_json())}, "is no saved encoding .*this space does not have"),
        ({"columns": np.array(["ms"])}, "is no saved encoding"),
        ({"choices0": np.array([9])}, "is no saved encoding"),
        ({"choices1": np.array([0, 1])}, "is no saved encoding"),
        ({"kind": np.array([print], dtype=object)}, "is no saved encoding .*allow_pickle"),
        ({"values0": np.array([print], dtype=object)}, "is no saved encoding .*allow_pickle"),
    ]:
        rewritten(path, **changes)
        with pytest.raises(UsageError, match=match):
            ArchitecturePredictor.load(tmp_path, GUARD)
        path.write_bytes(whole)
    (tmp_path / "encoding.npz").write_bytes(b"\x80\x04\x95")
    with pytest.raises(UsageError, match="is no saved encoding"):
        ArchitecturePredictor.load(tmp_path, GUARD)


def test_samples_that_do_not_fit_get_a_sentence(make: Callable[[], ArchitecturePredictor]) -> None:
    every = list(space())
    with pytest.raises(UsageError, match="at least 3"):
        make().fit(every[:2], [1.0, 2.0])
    with pytest.raises(UsageError, match="one for each encoding"):
        make().fit(every, latencies()[:-1])
    with pytest.raises(UsageError, match="finite"):
        make().fit(every, [np.nan, *latencies()[1:]])
    with pytest.raises(UsageError, match="call fit"):
        make().predict(every)
    with pytest.raises(UsageError, match="choice 'depth' is 3, but its candidates"):
        make().fit([{**every[0], "depth": 3}], [1.0])


@pytest.mark.parametrize(
    "said", [np.ones(3), (np.ones(3),), (np.ones(1), np.ones(1)), (np.full(3, np.nan), np.ones(3)), None]
)
def test_what_is_no_mean_and_spread_of_each_gets_a_sentence(said: object, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = ArchitecturePredictor("mine:P", Encoding(space()), LinearPredictor()).fit(list(space()), latencies())
    monkeypatch.setattr(predictor.model, "predict", lambda x: said)
    with pytest.raises(UsageError, match="predictor 'mine:P' gave no finite mean and spread for each of 3 networks"):
        predictor.predict(list(space())[:3])
