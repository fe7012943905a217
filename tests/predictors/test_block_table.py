"""Sums over blocks, looked up in bulk, against adding them up one by one."""

import io

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import BlockTable, BlockValues, Encoding
from nas.space import Condition, Space

SIZES = (3, 2, 4, 1)


def random_table(seed: int, columns: tuple[str, ...] = ("a", "b", "c")) -> tuple[BlockTable, list[BlockValues]]:
    rng = np.random.default_rng(seed)
    reads = [(), (0,), (2, 0), (1, 2, 3), (0,), (), (2, 0)]
    blocks = [BlockValues(each, rng.normal(size=(*(SIZES[i] + 1 for i in each), len(columns)))) for each in reads]
    return BlockTable(columns, blocks), blocks


def rows(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(-1, size, count) for size in SIZES], 1)


def slow(blocks: list[BlockValues], indices: np.ndarray) -> np.ndarray:
    """Index -1 finds the last entry of an axis."""
    return np.array([sum(each.values[tuple(row[list(each.choices)])] for each in blocks) for row in indices])


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64])
def test_sums_are_those_of_adding_up_block_by_block(kind: type[np.integer]) -> None:
    table, blocks = random_table(0)
    indices = rows(1, 300).astype(kind)
    assert (indices == -1).any()
    np.testing.assert_allclose(table(indices), slow(blocks, indices))
    assert table(indices[:0]).shape == (0, 3)


def test_blocks_that_read_the_same_choices_become_one() -> None:
    table, blocks = random_table(0)
    assert [each.choices for each in table.blocks] == [(), (0,), (2, 0), (1, 2, 3)]
    np.testing.assert_allclose(table.blocks[1].values, blocks[1].values + blocks[4].values)
    assert not any(each.values is blocks[1].values for each in table.blocks[1:2]), "what was given stays as it was"


def test_a_hundred_thousand_rows_equal_their_parts() -> None:
    table, _ = random_table(0)
    indices = rows(2, 100_000)
    sums = table(indices)
    assert sums.shape == (100_000, 3)
    for part in (slice(0, 10), slice(65_530, 65_545), slice(-10, None)):
        np.testing.assert_array_equal(sums[part], table(indices[part]))


def test_a_part_has_the_columns_asked_for_in_their_order() -> None:
    table, _ = random_table(0)
    indices = rows(1, 20)
    np.testing.assert_array_equal(table.part(["c", "a"])(indices), table(indices)[:, [2, 0]])
    assert table.part([])(indices).shape == (20, 0)


def test_joined_tables_stand_side_by_side_without_columns_of_zeros() -> None:
    (first, _), (second, _) = random_table(0), random_table(1, ("d", "e"))
    empty = BlockTable(["f", "g"], [BlockValues((1,), np.array([[0.0, 0], [0, 2], [0, 0]]))])
    joined = BlockTable.joined([first, empty, second])
    indices = rows(1, 50)
    assert joined.columns == ("a", "b", "c", "g", "d", "e")
    np.testing.assert_allclose(joined(indices), np.hstack([first(indices), empty(indices)[:, 1:], second(indices)]))
    nothing = BlockTable.joined([empty.part(["f"])])
    assert nothing.columns == ()
    assert nothing(indices).shape == (50, 0)


def test_a_weighted_table_is_the_weighted_sum() -> None:
    table, _ = random_table(0)
    weights, indices = np.array([0.5, -2, 3]), rows(1, 50)
    weighted = table.weighted("total", weights)
    assert weighted.columns == ("total",)
    np.testing.assert_allclose(weighted(indices)[:, 0], table(indices) @ weights)


def test_the_state_goes_through_a_file_without_pickles() -> None:
    table, _ = random_table(0)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **table.state())
    file.seek(0)
    again = BlockTable.from_state(dict(np.load(file, allow_pickle=False)))
    assert again.columns == table.columns
    np.testing.assert_array_equal(again(rows(1, 50)), table(rows(1, 50)))
    empty = BlockTable.from_state(BlockTable((), ()).state())
    assert empty.columns == ()
    assert empty(rows(1, 5)).shape == (5, 0)


def test_states_that_do_not_fit_together_are_refused() -> None:
    state = random_table(0)[0].state()
    with pytest.raises(ValueError, match=r"values of shape \(4, 3\) for 2 choices, 3 columns"):
        BlockTable.from_state({**state, "values1": state["values1"], "choices1": np.array([0, 1])})
    with pytest.raises(ValueError, match="2 columns"):
        BlockTable.from_state({**state, "columns": np.array(["a", "b"])})
    for missing in ("columns", "blocks", "choices0", "values3"):
        with pytest.raises(KeyError):
            BlockTable.from_state({key: value for key, value in state.items() if key != missing})


def test_unknown_and_doubled_columns_get_a_sentence() -> None:
    table, blocks = random_table(0, ("flops", "params", "ms"))
    with pytest.raises(UsageError, match=r"no column 'flop'; did you mean 'flops'\?"):
        table.part(["ms", "flop"])
    with pytest.raises(UsageError, match="a, a, c; give each a name of its own"):
        BlockTable(["a", "a", "c"], blocks)
    with pytest.raises(UsageError, match="name of its own"):
        BlockTable.joined([table, table])


def conditional_space() -> Space:
    """Three choices; the last is there only where the first takes its second candidate."""
    condition = Condition(("depth",), frozenset({(1,)}))
    return Space({"depth": [1, 2], "kernel": [3, 5, 7], "width": [8, 16]}, {"width": [(condition,)]})


def table_of(space: Space) -> BlockTable:
    rng = np.random.default_rng(0)
    sizes = [len(each) + 1 for each in space.choices.values()]
    return BlockTable(
        ["ms", "blocks"],
        [
            BlockValues((0, 1), rng.normal(size=(*sizes[:2], 2))),
            BlockValues((0, 2), rng.normal(size=(sizes[0], sizes[2], 2))),
        ],
    )


def test_encodings_are_one_hot_choices_and_then_sums() -> None:
    space = conditional_space()
    encoding = Encoding(space, table_of(space))
    architectures = list(space)
    encoded = encoding(architectures)
    assert encoding.one_hot == 7
    assert encoding.columns == [*space.columns, "ms", "blocks"]
    assert encoded.dtype == np.float64
    np.testing.assert_array_equal(encoded[:, :7], space.one_hot(architectures))
    np.testing.assert_array_equal(encoded[:, 7:], encoding.features(space.indices(architectures)))
    np.testing.assert_array_equal(encoding(space.indices(architectures)), encoded)
    assert Encoding(space)(architectures).shape == (len(architectures), 7)
    assert encoding([]).shape == (0, 9)


def test_a_hundred_thousand_rows_are_encoded_from_an_index_matrix() -> None:
    space = conditional_space()
    encoding = Encoding(space, table_of(space))
    some = encoding(space.indices(list(space)))
    many = encoding(np.tile(space.indices(list(space)), (100_000 // len(some) + 1, 1)))
    assert len(many) >= 100_000
    np.testing.assert_array_equal(many[-len(some) :], some)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 2), int),
        np.zeros(3, int),
        np.zeros((2, 3)),
        np.array([[0, 3, 0]]),
        np.array([[0, 0, -2]]),
        np.array([[2, 0, 0]]),
    ],
)
def test_a_matrix_that_is_none_of_the_space_gets_a_sentence(matrix: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"index matrix has shape .* must hold \[n, 3\] indices .* Space\.indices\(\)"):
        Encoding(conditional_space())(matrix)


def test_a_table_of_another_space_gets_a_sentence() -> None:
    space = conditional_space()
    for other in (
        Space({"depth": [1, 2], "kernel": [3, 5, 7]}),
        Space({"depth": [1], "kernel": [3, 5, 7], "width": [8, 16]}),
    ):
        with pytest.raises(UsageError, match="which this space does not have; make the table of the same space"):
            Encoding(other, table_of(space))
