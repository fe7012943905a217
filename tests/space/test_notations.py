"""How published benchmarks write architectures, and what is said about texts of another form."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

import nas
import nas.space.notation
from nas.errors import UsageError
from nas.space import Notation, Space, find_notation
from search_spaces.chain import chain
from search_spaces.nasbench201 import EDGES, OPERATIONS, nasbench201
from search_spaces.once_for_all import once_for_all

SHAPE = (1, 8, 8)


def notation(space: str) -> Notation:
    found = find_notation(space)
    assert found is not None
    return found


def space_of(model: Any) -> Space:
    return nas.Supernet(model).space


def test_every_cell_of_nasbench201_is_read_back() -> None:
    space = space_of(nasbench201(SHAPE, 2, width=4))
    parse = notation("nasbench201").parse
    for seed in range(50):
        cell = space.sample(seed)
        written = "|+|".join(
            "|".join(f"{cell[f'edge_{source}_{target}']}~{source}" for source, target in EDGES if target == node)
            for node in (1, 2, 3)
        )
        assert space.architecture(parse(f"|{written}|")) == cell
    assert notation("nasbench201").columns == ("arch",)


def test_each_edge_of_a_cell_gets_the_operation_that_is_written_for_it() -> None:
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert notation("nasbench201").parse(cell) == {
        "edge_0_1": "nor_conv_3x3",
        "edge_0_2": "none",
        "edge_1_2": "skip_connect",
        "edge_0_3": "avg_pool_3x3",
        "edge_1_3": "nor_conv_1x1",
        "edge_2_3": "nor_conv_3x3",
    }
    assert set(notation("nasbench201").parse(cell).values()) == set(OPERATIONS)


def test_the_digits_of_a_chain_are_the_blocks_that_nasbench_macro_documents() -> None:
    model = chain(SHAPE, 2)
    supernet = nas.Supernet(model)
    parse = notation("chain").parse
    architecture = supernet.space.architecture(parse("01201201"))
    blocks = [supernet.extract(architecture).get_submodule(f"layer{number}") for number in range(8)]
    depthwise = [
        (module.kernel_size[0], module.in_channels // block.layers[0][0].in_channels)
        for block in blocks
        if hasattr(block, "layers")
        for module in block.modules()
        if getattr(module, "groups", 1) > 1
    ]
    assert [hasattr(block, "layers") for block in blocks] == [digit != "0" for digit in "01201201"]
    assert depthwise == [(3, 3), (5, 6), (3, 3), (5, 6), (3, 3)]


def test_a_once_for_all_network_is_read_from_lists_and_from_texts() -> None:
    space = space_of(once_for_all(SHAPE, 2))
    parse = notation("once_for_all").parse
    kernels, expansions, depths = [3, 5, 7, 3] * 5, [6, 4, 3, 6] * 5, [2, 3, 4, 2, 3]
    architecture = space.architecture(parse(kernels, expansions, depths))
    assert [architecture[f"stage{stage}.depth"] for stage in range(1, 6)] == depths
    assert [architecture[f"stage3.{block}.kernel"] for block in range(4)] == [3, 5, 7, 3]
    assert [architecture[f"stage2.{block}.expansion"] for block in range(3)] == [6, 4, 3]
    assert "stage1.2.kernel" not in architecture
    texts = [",".join(map(str, values)) for values in (kernels, expansions, depths)]
    assert parse(*texts) == parse(*map(str, (kernels, expansions, depths))) == parse(kernels, expansions, depths)


def test_blocks_beyond_the_depth_say_nothing() -> None:
    parse = notation("once_for_all").parse
    assert parse([3] * 4 * 5, [6] * 20, [2] * 5) == parse([3, 3, 7, 5] * 5, [6, 6, 3, 4] * 5, [2] * 5)


MISTAKES: list[tuple[str, list[Any], str]] = [
    ("nasbench201", ["|nor_conv_3x3~0|+|none~0|"], r"'\|nor_conv_3x3~0\|\+\|none~0\|' is no cell of NAS-Bench-201; wr"),
    ("nasbench201", [7], "7 is no cell of NAS-Bench-201"),
    ("chain", ["01230000"], "'01230000' is no chain of NAS-Bench-Macro; write one digit for each layer"),
    ("chain", [1], "1 is no chain .* such as the text '21000102'"),
    ("chain", [""], "'' is no chain"),
    ("once_for_all", ["3,x", "3,3", "2"], r"ks is \['3,x'\]; expected integers, as in 3,5,7,3\."),
    ("once_for_all", [[3, 3], [3.5, 3], [2]], r"e is \[3\.5, 3\]; expected integers"),
    ("once_for_all", [[3, 3], [3, 3], None], "d is None; expected integers"),
    ("once_for_all", [[3] * 20, [3] * 19, [2] * 5], "ks has 20 entries, e 19 and d 5; expected one ks and one e"),
    ("once_for_all", [[3] * 7, [3] * 7, [2, 2]], "ks has 7 entries, e 7 and d 2"),
    ("once_for_all", [[], [], []], r"ks is \[\]; expected integers"),
]


@pytest.mark.parametrize(("space", "values", "message"), MISTAKES)
def test_a_text_of_another_form_is_refused_in_one_sentence(space: str, values: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        notation(space).parse(*values)


def test_a_space_without_a_notation_has_none() -> None:
    assert find_notation("mobilenet") is None
    assert find_notation("package.module:function") is None


def test_another_package_registers_a_notation_for_its_space(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint(name, f"{__name__}:{what}", "nas.notations") for name, what in OTHERS.items()]

    def found(group: str, name: str | None = None) -> list[EntryPoint]:
        return [entry for entry in entries if group == entry.group and name in (None, entry.name)]

    monkeypatch.setattr("nas.parts._registered", found)
    notation = find_notation("theirs")
    assert notation is not None and notation.parse("a-b") == {"first": "a", "second": "b"}
    with pytest.raises(
        UsageError, match=r"notation of space 'wrong' is of type tuple, expected a nas\.space\.Notation"
    ):
        find_notation("wrong")


OTHERS = {"theirs": "THEIRS", "wrong": "SHAPE"}
THEIRS = Notation(("name",), lambda text: dict(zip(("first", "second"), text.split("-"), strict=True)))
