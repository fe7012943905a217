"""The table that a board wrote is read back, or refused with the file, the row and the column."""

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.hardware.board_csv import read_measurements, read_setup
from nas.hardware.board_run import COLUMNS
from nas.space import Space
from nas.space.condition import Condition

SPACE = Space({"depth": [1, 2], "kernel": [3, 5]}, {"kernel": [(Condition(("depth",), frozenset({(1,)})),)]})
SMALL, LARGE = '{"depth":1}', '{"depth":2,"kernel":5}'
SETUP = {"space": "tiny", "input_shape": [3, 8, 8]}
ROW = {
    "architecture": SMALL,
    "latency_ms": "1.0",
    "spread_ms": "0.1",
    "repeats": "40",
    "reference_ms": "4.0",
    "repeat": "0",
    "threads": "2",
    "batch": "1",
    "dtype": "float32",
    "device": "Board, model B",
    "versions": '{"onnxruntime": "1.19.2", "provider": "CPUExecutionProvider"}',
    "pack": "0123456789ab",
    "setup": json.dumps(SETUP),
}
SECOND = {"architecture": LARGE, "latency_ms": "3.0"}


def table(path: Path, *changes: Mapping[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    """A file with a row for each mapping of what is different from ``ROW``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([(ROW | dict(change))[column] for column in columns] for change in changes)
    file = path / "measurements.csv"
    file.write_text(text.getvalue(), encoding="utf-8")
    return file


def test_measurements_come_with_all_that_the_board_told(tmp_path: Path) -> None:
    file = table(tmp_path, {}, SECOND)
    found = read_measurements(file, SPACE, target="my-board")
    assert [each.key for each in found.architectures] == [SMALL, LARGE]
    first, second = found.measurements
    assert (first.latency_ms, first.spread_ms, first.repeats) == (1.0, 0.1, 40)
    assert (first.threads, first.batch, first.dtype) == (2, 1, "float32")
    assert (first.target, first.device) == ("my-board", "Board, model B")
    assert first.versions == {"onnxruntime": "1.19.2", "provider": "CPUExecutionProvider"}
    assert second.latency_ms == 3.0
    assert found.noise_floor is None
    assert found.setup == read_setup(file) == SETUP


def test_rows_of_a_slower_session_are_brought_to_the_common_speed(tmp_path: Path) -> None:
    slow = {"latency_ms": "6.0", "spread_ms": "0.4", "reference_ms": "8.0"}
    found = read_measurements(table(tmp_path, {}, {"architecture": '{"depth":2,"kernel":3}'}, SECOND | slow), SPACE)
    assert found.measurements[2].latency_ms == pytest.approx(3.0)
    assert found.measurements[2].spread_ms == pytest.approx(0.2)


def test_the_noise_floor_is_the_mean_difference_of_what_was_measured_twice(tmp_path: Path) -> None:
    again = {"repeat": "1", "latency_ms": "2.5", "reference_ms": "8.0"}  # the same as 1.25 at the common speed
    rows = [{}, SECOND, again, SECOND | {"repeat": "1"}, {"architecture": '{"depth":2,"kernel":3}'}]
    found = read_measurements(table(tmp_path, *rows), SPACE)
    assert found.noise_floor == pytest.approx((abs(1.0 / 1.25 - 1) + 0) / 2)
    assert [each.latency_ms for each in found.measurements] == [1.0, 3.0, 1.0]


def test_without_a_space_architectures_stay_as_written_and_with_one_they_are_canonical(tmp_path: Path) -> None:
    written = '{"depth":1,"kernel":5}'
    file = table(tmp_path, {"architecture": written})
    assert read_measurements(file).architectures[0].key == written
    assert read_measurements(file, SPACE).architectures[0].key == SMALL


def test_what_a_spreadsheet_adds_to_the_file_does_no_harm(tmp_path: Path) -> None:
    columns = (*reversed(COLUMNS), "comment")
    file = table(tmp_path, {"comment": ""}, SECOND | {"comment": "the large one"}, columns=columns)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert [each.latency_ms for each in read_measurements(file, SPACE).measurements] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"latency_ms": "0"}, "row 3, column 'latency_ms': '0' is no finite number above zero"),
        ({"latency_ms": "-1.5"}, "row 3, column 'latency_ms': '-1.5' is no finite number above zero"),
        ({"latency_ms": "nan"}, "row 3, column 'latency_ms': 'nan' is no finite number"),
        ({"latency_ms": "inf"}, "row 3, column 'latency_ms': 'inf' is no finite number"),
        ({"latency_ms": "fast"}, "row 3, column 'latency_ms': 'fast' is no number"),
        ({"latency_ms": "1,5"}, "row 3, column 'latency_ms': '1,5' is no number"),
        ({"spread_ms": "-0.1"}, "row 3, column 'spread_ms': '-0.1' is no finite number from zero"),
        ({"spread_ms": "NaN"}, "row 3, column 'spread_ms'"),
        ({"reference_ms": "0"}, "row 3, column 'reference_ms': '0' is no finite number above zero"),
        ({"reference_ms": "?"}, "row 3, column 'reference_ms': '\\?' is no number"),
        ({"repeats": "0"}, "row 3, column 'repeats': '0' is no whole number from 1"),
        ({"repeats": "2.5"}, "row 3, column 'repeats': '2.5' is no whole number"),
        ({"repeat": "2"}, "row 3, column 'repeat': '2' is neither 0 nor 1"),
        ({"repeat": "yes"}, "row 3, column 'repeat': 'yes' is no whole number from 0"),
        ({"repeat": "1"}, "row 3, column 'repeat': '1' is 1, but no row above"),
        ({"architecture": SMALL}, "row 3, column 'architecture': .* already measured in a row above"),
        ({"architecture": '{"depth":1,"kernel":3}'}, "row 3, column 'architecture': .* already measured"),
        ({"architecture": "depth 2"}, "row 3, column 'architecture': 'depth 2' is not JSON"),
        ({"architecture": "[2, 5]"}, "row 3, column 'architecture': '\\[2, 5\\]' is not a JSON object"),
        ({"architecture": '{"depth":NaN}'}, "row 3, column 'architecture': .* is not JSON \\(NaN"),
        ({"architecture": '{"depth":3}'}, "row 3, column 'architecture': .*choice 'depth' is 3"),
        ({"architecture": '{"depht":2}'}, "row 3, column 'architecture': .*did you mean 'depth'"),
        ({"architecture": '{"depth":2}'}, "row 3, column 'architecture': .*no value to the active choice 'kernel'"),
        ({"architecture": '{"depth":[2]}'}, "row 3, column 'architecture': .*choice 'depth' is \\[2\\]"),
        ({"setup": '{"space": "other"}'}, "row 3, column 'setup': .* differs from .* in row 2"),
        ({"pack": "ffff"}, "row 3, column 'pack': 'ffff' differs from '0123456789ab' in row 2"),
        ({"threads": "1"}, "row 3, column 'threads': '1' differs from '2' in row 2"),
        ({"batch": "8"}, "row 3, column 'batch': '8' differs from '1' in row 2"),
        ({"dtype": "float16"}, "row 3, column 'dtype': 'float16' differs"),
        ({"device": "another"}, "row 3, column 'device': 'another' differs"),
        ({"versions": '{"onnxruntime": "1.20"}'}, "row 3, column 'versions': .* differs"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_row_and_column(change: dict[str, str], match: str, tmp_path: Path) -> None:
    file = table(tmp_path, {}, SECOND | change)
    with pytest.raises(UsageError, match=f"measurements.csv {match}") as refusal:
        read_measurements(file, SPACE)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"setup": "tiny"}, "row 2, column 'setup': 'tiny' is not JSON"),
        ({"setup": "3"}, "row 2, column 'setup': '3' is not a JSON object"),
        ({"versions": "1.19"}, "row 2, column 'versions': '1.19' is not a JSON object"),
        ({"threads": "0"}, "row 2, column 'threads': '0' is no whole number from 1"),
        ({"batch": "all"}, "row 2, column 'batch': 'all' is no whole number from 1"),
        ({"device": " "}, "every row has an empty cell"),
        ({"dtype": ""}, "every row has an empty cell"),
    ],
)
def test_what_all_rows_share_must_be_right(change: dict[str, str], match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match):
        read_measurements(table(tmp_path, change, SECOND | change), SPACE)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column: str, tmp_path: Path) -> None:
    file = table(tmp_path, {}, columns=tuple(each for each in COLUMNS if each != column))
    for read in (read_measurements, read_setup):
        with pytest.raises(UsageError, match=f"row 1 misses the column '{column}'"):
            read(file)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="row 1 repeats the column 'latency_ms'"):
        read_measurements(table(tmp_path, {}, columns=(*COLUMNS, "latency_ms")))


def test_blank_lines_count_as_rows_of_the_spreadsheet(tmp_path: Path) -> None:
    file = table(tmp_path, {}, SECOND | {"latency_ms": "0"})
    header, first, second = file.read_text().splitlines()
    file.write_text("\n".join([header, "", first, "", second]))
    with pytest.raises(UsageError, match="row 5, column 'latency_ms'"):
        read_measurements(file)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "measurements.csv is empty"),
        (b"\n\n", "measurements.csv is empty"),
        (",".join(COLUMNS).encode(), "has a header, but no measurement"),
        (";".join(COLUMNS).encode(), "row 1 misses the column 'architecture', .* with commas"),
        (b"\xff\xfe\x00", "cannot be read as a CSV file"),
        (b"a" * 200_000, "cannot be read as a CSV file .*field"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, match: str, tmp_path: Path) -> None:
    file = tmp_path / "measurements.csv"
    file.write_bytes(content)
    for read in (read_measurements, read_setup):
        with pytest.raises(UsageError, match=match):
            read(file)


def test_a_row_that_was_cut_off_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = table(tmp_path, {}, SECOND)
    file.write_bytes(file.read_bytes()[:-120])
    with pytest.raises(UsageError, match=r"row 3 has \d+ cells, but the header has 13; .* run.py once more"):
        read_measurements(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv does not exist"):
        read_setup(tmp_path / "gone.csv")


def test_a_pipe_that_nobody_fills_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path):
        with pytest.raises(UsageError, match="is no regular file; give the measurements"):
            read_setup(path)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_row_with_an_empty_cell_is_dropped_with_a_note(column: str, tmp_path: Path) -> None:
    found = read_measurements(table(tmp_path, {column: " "}, SECOND), SPACE)
    assert [each.key for each in found.architectures] == [LARGE]
    assert found.notes == ("Rows with an empty cell were dropped: 1.",)
    assert read_measurements(table(tmp_path, {}, SECOND), SPACE).notes == ()


def test_the_second_measurement_of_a_network_stands_for_a_first_that_was_dropped(tmp_path: Path) -> None:
    found = read_measurements(table(tmp_path, {"latency_ms": ""}, SECOND, {"repeat": "1", "latency_ms": "5.0"}), SPACE)
    latencies = {each.key: found.measurements[place].latency_ms for place, each in enumerate(found.architectures)}
    assert latencies == {LARGE: 3.0, SMALL: 5.0} and found.noise_floor is None
