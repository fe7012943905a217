"""Tables of measured latencies: what they give, and what is said about those that cannot be used."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from written_tables import write

import nas
from nas.errors import UsageError
from nas.space import Condition, Notation, Space, find_notation
from nas.tables.latencies import read_table
from search_spaces.chain import chain
from search_spaces.nasbench201 import nasbench201
from search_spaces.once_for_all import once_for_all

SHARED = Path(os.environ.get("NAS_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SPACE = Space({"depth": [1, 2], "kernel": [3, 5]}, {"kernel": [(Condition(("depth",), frozenset({(1,)})),)]})


def parse(text: Any) -> dict[str, Any]:
    depth, _, kernel = str(text).partition("k")
    if not depth.isdigit():
        raise UsageError(f"{text!r} is no network; write it like 2k5.")
    return {"depth": int(depth), **({"kernel": int(kernel)} if kernel else {})}


SHORT = Notation(("name",), parse, input_size="r")


def test_rows_of_the_same_network_become_their_median_in_table_order(file: Path) -> None:
    write(file, name=["2k5", "1", "2k5", "2k3", "2k5"], ms=[4.0, 1.0, 9.0, 2.5, 5.0], note=["a", "", None, "b", "c"])
    measured = read_table(file, "ms", SPACE, SHORT)
    assert measured.architectures == [SPACE.architecture(parse(text)) for text in ("2k5", "1", "2k3")]
    np.testing.assert_array_equal(measured.latencies, [5.0, 1.0, 2.5])
    assert measured.latencies.dtype == np.float64
    assert (measured.column, measured.left_out) == ("ms", 0)


def test_a_choice_that_is_not_active_does_not_tell_networks_apart(file: Path) -> None:
    write(file, name=["1k3", "1k5", "1"], ms=[2.0, 3.0, 4.0])
    measured = read_table(file, "ms", SPACE, SHORT)
    assert measured.architectures == [SPACE.architecture({"depth": 1})]
    assert measured.latencies.tolist() == [3.0]


def test_the_noise_floor_is_the_mean_difference_of_repeated_networks(file: Path) -> None:
    write(file, name=["2k5", "1", "2k3", "1", "2k5"], ms=[4.0, 1.1, 7.0, 1.0, 5.0])
    assert read_table(file, "ms", SPACE, SHORT).noise_floor == pytest.approx((0.2 + 0.1) / 2)
    write(file, name=["1", "1", "1"], ms=[1.1, 1.0, 2.0])
    assert read_table(file, "ms", SPACE, SHORT).noise_floor == pytest.approx((0.1 + 0.5) / 2)
    write(file, name=["2k5", "1"], ms=[4.0, 1.1])
    assert read_table(file, "ms", SPACE, SHORT).noise_floor is None


def test_our_own_json_comes_before_the_notation(file: Path) -> None:
    values = SPACE.architecture({"depth": 2, "kernel": 3})
    write(file, name=["1"], architecture=[values.to_json()], ms=[2.0], r=[32])
    for notation in (None, SHORT):
        assert read_table(file, "ms", SPACE, notation, input_size=64).architectures == [values]


def test_rows_of_another_input_size_are_left_out(file: Path) -> None:
    write(file, name=["2k5", "1", "2k5", "2k3"], ms=[4.0, 1.0, 9.0, 2.5], r=[32, 64, 64, 128])
    measured = read_table(file, "ms", SPACE, SHORT, input_size=64)
    assert measured.architectures == [SPACE.architecture(parse(text)) for text in ("1", "2k5")]
    assert measured.latencies.tolist() == [1.0, 9.0]
    assert measured.left_out == 2
    with pytest.raises(
        UsageError, match=r"no row for images of 8 pixels, only sizes from 32 to 128 pixels in col.*'r'"
    ):
        read_table(file, "ms", SPACE, SHORT, input_size=8)
    with pytest.raises(UsageError, match=r"mixes sizes from 32 to 128 pixels in column 'r'.*keep the rows of one size"):
        read_table(file, "ms", SPACE, SHORT)
    write(file, name=["2k5", "1"], ms=[4.0, 1.0], r=[32, 32])
    assert len(read_table(file, "ms", SPACE, SHORT).architectures) == 2


def test_the_size_of_a_row_is_a_choice_where_it_is_one_of_the_space(file: Path) -> None:
    space = SPACE.product(Space({"image_size": [32, 64]}))
    write(file, name=["2k5", "1", "2k5", "2k3"], ms=[4.0, 1.0, 9.0, 2.5], r=[32, 64, 64, 128])
    measured = read_table(file, "ms", space, SHORT, input_size=32)
    assert [each["image_size"] for each in measured.architectures] == [32, 64, 64]
    assert measured.latencies.tolist() == [4.0, 1.0, 9.0] and measured.left_out == 1
    write(file, name=["2k5"], ms=[4.0], r=[128])
    with pytest.raises(UsageError, match=r"no row for images of 32 or 64 pixels, only sizes from 128 to 128 pixels"):
        read_table(file, "ms", space, SHORT)
    write(file, name=["2k5"], ms=[4.0])
    with pytest.raises(UsageError, match=r"architecture gives no value to the active choice 'image_size'"):
        read_table(file, "ms", space, SHORT)


def test_rows_are_counted_as_a_reader_of_the_file_counts_them(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("\ufeffname,ms\n2k5,4\n\n1,zero\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"row 4 \(the header is row 1\), column 'ms' holds 'zero'"):
        read_table(table, "ms", SPACE, SHORT)
    parquet = write(tmp_path / "table.parquet", name=["2k5", "1"], ms=["4", "zero"])
    with pytest.raises(UsageError, match=r"row 2 \(the first is row 1\), column 'ms' holds 'zero'"):
        read_table(parquet, "ms", SPACE, SHORT)


@pytest.mark.parametrize("time", ["", " ", "nan", float("nan"), None])
def test_a_row_without_a_latency_is_dropped_with_a_note(time: Any, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"name,ms\n2k5,1.5\n1,{'' if time is None else time}\n,4\n2k3,zero\n")
    with pytest.raises(UsageError, match=r"row 5 .*column 'ms' holds 'zero'"):
        read_table(table, "ms", SPACE, SHORT)
    table.write_text(table.read_text().replace("zero", "2.5"))
    parquet = tmp_path / "table.parquet"
    write(parquet, name=["2k5", "1", None, "2k3"], ms=[1.5, None if isinstance(time, str) else time, 4.0, 2.5])
    for file in (table, parquet):
        measured = read_table(file, "ms", SPACE, SHORT)
        assert measured.latencies.tolist() == [1.5, 2.5]
        assert measured.notes == ("Rows with nothing in column ms, or no architecture, were dropped: 2.",)
    table.write_text("name,ms\n2k5,\n1,nan\n")
    with pytest.raises(UsageError, match="has nothing in column 'ms'; name one that was measured"):
        read_table(table, "ms", SPACE, SHORT)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("ns", 1e-6), ("us", 1e-3), ("µs", 1e-3), ("ms", 1), ("s", 1e3), ("min", 6e4), ("0.25", 0.25), (4, 4)],
)
def test_latencies_may_have_any_unit(unit: str | float, scale: float, file: Path) -> None:
    write(file, name=["2k5", "1"], time=[4.0, 1.0])
    np.testing.assert_allclose(read_table(file, "time", SPACE, SHORT, unit=unit).latencies, [4 * scale, scale])


@pytest.mark.parametrize(
    ("unit", "named"), [("ms", "milliseconds"), ("us", "microseconds"), ("2.5", "units of 2.5 ms")]
)
def test_what_is_no_latency_is_refused_in_its_unit(unit: str, named: str, file: Path) -> None:
    write(file, name=["2k5", "1"], time=[4.0, -1.0])
    with pytest.raises(UsageError, match=rf"expected a positive number of {named}, so fix the cell"):
        read_table(file, "time", SPACE, SHORT, unit=unit)


@pytest.mark.parametrize("unit", ["hours", "", "-1", "0", "nan", "inf", 0])
def test_a_unit_that_is_none_is_refused(unit: str | float, file: Path) -> None:
    write(file, name=["2k5", "1"], time=[4.0, 1.0])
    with pytest.raises(UsageError, match=r"unit is '.*', expected one of ns, us, µs, ms, s, min, or how many mill"):
        read_table(file, "time", SPACE, SHORT, unit=unit)


@pytest.mark.parametrize("time", [0.0, -1.0, float("inf"), "fast"])
def test_a_latency_that_is_no_positive_number_is_refused(time: Any, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"name,ms\n2k5,1.5\n1,{'' if time is None else time}\n")
    with pytest.raises(UsageError, match=r"table\.csv', row 3 .*column 'ms' holds .*; expected a positive number"):
        read_table(table, "ms", SPACE, SHORT)
    if not isinstance(time, str):
        parquet = write(tmp_path / "table.parquet", name=["2k5", "1"], ms=[1.5, time])
        with pytest.raises(UsageError, match=r"row 2 .*column 'ms' holds .*; expected a positive number"):
            read_table(parquet, "ms", SPACE, SHORT)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("three", r"row 2 .*, column 'name': 'three' is no network; write it like 2k5\."),
        ("3k5", r"column 'name': choice 'depth' is 3, but its candidates are \[1, 2\]\."),
        ("2", r"column 'name': architecture gives no value to the active choice 'kernel'"),
    ],
)
def test_an_architecture_that_is_none_of_the_space_is_refused(name: str, message: str, tmp_path: Path) -> None:
    table = write(tmp_path / "table.csv", name=[name, "1"], ms=[1.0, 2.0])
    with pytest.raises(UsageError, match=message):
        read_table(table, "ms", SPACE, SHORT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2k5", r"column 'architecture': architecture '2k5' is not JSON"),
        ('{"dept": 1}', r"names 'dept', which is no choice of this space; did you mean 'depth'\?"),
    ],
)
def test_json_that_is_no_architecture_is_refused(text: str, message: str, tmp_path: Path) -> None:
    table = write(tmp_path / "table.parquet", architecture=[json.dumps({"depth": 1}), text], ms=[1.0, 2.0])
    with pytest.raises(UsageError, match=rf"row 2 .*{message}"):
        read_table(table, "ms", SPACE)


def test_an_architecture_that_is_no_text_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "table.parquet", architecture=[3, 4], ms=[1.0, 2.0])
    with pytest.raises(UsageError, match=r"row 1 .*architecture is 3; expected the text of a JSON object"):
        read_table(table, "ms", SPACE)


def test_a_missing_column_is_named_with_the_nearest_one(file: Path) -> None:
    write(file, name=["1"], lat_ms__pixel=[1.0])
    with pytest.raises(UsageError, match=r"has no column 'lat_ms__pixel_1'; did you mean 'lat_ms__pixel'\?"):
        read_table(file, "lat_ms__pixel_1", SPACE, SHORT)


def test_a_table_without_architectures_is_refused(file: Path) -> None:
    write(file, idx=[0, 1], ms=[1.0, 2.0])
    with pytest.raises(UsageError, match=r"needs 'architecture' or 'name', but its columns are 'idx', 'ms'; join it"):
        read_table(file, "ms", SPACE, SHORT)
    with pytest.raises(UsageError, match=r"needs 'architecture', but its columns are 'idx', 'ms'; join it"):
        read_table(file, "ms", SPACE)


@pytest.mark.parametrize(
    ("file_name", "content", "message"),
    [
        ("table.txt", b"name,ms\n1,2\n", r"is no \.csv, \.parquet or \.json file"),
        ("table.parquet", b"name,ms\n1,2\n", "is no readable parquet file"),
        ("table.csv", b"name,ms\n\xff\xfe,2\n", "is no readable CSV file; save it again as UTF-8 text"),
        ("table.csv", b"", "has no rows"),
        ("table.csv", b"name,ms\n", "has no rows"),
        ("table.csv", b"name,ms\n1,2\n2,k5,3\n", "row 3 has 3 cells, but the header names 2 columns"),
        ("table.csv", b"name,ms,ms\n1,2,3\n", "has several columns 'ms'; rename or drop all but one"),
        ("table.csv", b"name,ms,r\n1,2,big\n", r"row 2 .*column 'r' holds 'big'; expected an input size"),
    ],
)
def test_a_file_that_is_no_table_is_refused(file_name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / file_name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / file_name, "ms", SPACE, SHORT)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name in ("nothing.csv", "nothing.parquet", "folder.csv"):
        with pytest.raises(UsageError, match=rf"table '.*{name}' is no file; give the path"):
            read_table(tmp_path / name, "ms", SPACE, SHORT)


def test_leading_zeros_and_lists_survive_a_csv_file(tmp_path: Path) -> None:
    space = nas.Supernet(chain((1, 8, 8), 2)).space
    table = tmp_path / "chain.csv"
    table.write_text("arch,ms\n00000001,1.5\n00000000,1\n")
    measured = read_table(table, "ms", space, find_notation("chain"))
    assert [a["layer7"] for a in measured.architectures] == ["mb3_k3", "identity"]

    space = nas.Supernet(once_for_all((1, 8, 8), 2)).space
    columns = {"ks": [[3, 5, 7, 3] * 5], "e": [[6, 4, 3, 6] * 5], "d": [[2, 3, 4, 2, 3]], "ms": [2.0]}
    tables = [write(tmp_path / f"ofa.{suffix}", **columns) for suffix in ("csv", "parquet")]
    first, second = (read_table(path, "ms", space, find_notation("once_for_all")) for path in tables)
    assert first.architectures == second.architectures
    assert first.architectures[0]["stage3.2.kernel"] == 7


def shared(name: str) -> pd.DataFrame:
    if not (SHARED / name).is_file():
        pytest.skip(f"no copy of {name} in NAS_SHARED_DATA ({SHARED})")
    return pd.read_parquet(SHARED / name)


def test_the_published_latencies_of_nasbench201(tmp_path: Path) -> None:
    table = shared("nasbench201/nb201.parquet")[["idx", "arch"]].merge(shared("help_latency/help_nasbench201.parquet"))
    table.to_parquet(tmp_path / "joined.parquet")
    space = nas.Supernet(nasbench201((1, 8, 8), 10)).space
    measured = read_table(tmp_path / "joined.parquet", "lat_ms__raspi4", space, find_notation("nasbench201"))
    assert len(set(measured.architectures)) == len(measured.architectures) == space.size
    assert measured.latencies == pytest.approx(table["lat_ms__raspi4"])
    assert measured.noise_floor is None
    with pytest.raises(UsageError, match=r"needs 'architecture' or 'arch', but its columns are 'idx', 'lat_ms__"):
        file = SHARED / "help_latency/help_nasbench201.parquet"
        read_table(file, "lat_ms__raspi4", space, find_notation("nasbench201"))


def test_the_published_chains_of_nasbench_macro() -> None:
    table = shared("nasbench_macro/nasbench_macro_cifar10.parquet")
    space = nas.Supernet(chain((1, 8, 8), 10)).space
    file = SHARED / "nasbench_macro/nasbench_macro_cifar10.parquet"
    measured = read_table(file, "flops", space, find_notation("chain"))
    assert len(set(measured.architectures)) == len(measured.architectures) == len(table) == space.size


def test_the_published_latencies_of_once_for_all() -> None:
    table = shared("help_latency/help_ofa.parquet")
    space = nas.Supernet(once_for_all((1, 8, 8), 10)).space
    file = SHARED / "help_latency/help_ofa.parquet"
    measured = read_table(file, "lat_ms__v100_1", space, find_notation("once_for_all"), input_size=224)
    assert len(measured.architectures) == (table["r"] == 224).sum() > 200
    assert len(measured.architectures) + measured.left_out == len(table)
