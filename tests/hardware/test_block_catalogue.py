"""Which blocks a space is made of, and which spaces have costs that add up over them."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_models import SelfAttention
from torch import Tensor, nn
from torch.nn import functional as F

import nas
from nas.costs import StaticCosts, trace
from nas.errors import UsageError
from nas.hardware import Catalogue, NoBlockTableError, feature_table
from nas.nn import Cell, Conv2d, Embedding, Linear, OneOf, Repeat, Zero
from nas.space import Choice

SHAPE = (3, 8, 8)


def conv(kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(3, 3, kernel, padding=kernel // 2)


def options(*extra: nn.Module) -> OneOf:
    return OneOf([conv(1), conv(3), *extra])


class Summed(nn.Module):
    """An opened module that adds what its parts give."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        total = x
        for part in self.parts:
            total = total + part(x)
        return total


def nested() -> nn.Module:
    return nn.Sequential(
        Repeat([options(), OneOf([Repeat([options(), conv(5)], Choice([0, 1, 2])), conv(1)])], Choice([1, 2]))
    )


def cell_with_nested_choices() -> nn.Module:
    kernel = Choice([1, 3, 5])
    edges = {
        (0, 1): OneOf({"none": Zero(), "elastic": Conv2d(3, 3, kernel, padding=kernel // 2), "nested": options()}),
        (0, 2): OneOf({"none": Zero(), "skip": nn.Identity()}),
        (1, 2): conv(1),
    }
    return nn.Sequential(conv(3), Cell(edges), conv(1))


def tied() -> nn.Module:
    choice = Choice([0, 1])
    return nn.Sequential(
        OneOf([conv(1), OneOf([conv(3), conv(5)], choice)]), Summed(OneOf([conv(1), conv(3)], choice)), conv(1)
    )


def tied_conditional() -> nn.Module:
    """The kernel is read by one branch of each choice, so it is there even where one of the two convolutions is not."""
    kernel = Choice([1, 3], name="kernel")
    branches = [OneOf([Conv2d(3, 3, kernel, padding=kernel // 2), nn.Identity()]) for _ in range(2)]
    return nn.Sequential(*branches)


def cell_alone() -> nn.Module:
    return Cell({(0, 1): OneOf([Zero(), nn.Identity(), conv(3)]), (0, 2): OneOf([Zero(), conv(1)]), (1, 2): conv(1)})


def opened_twice() -> nn.Module:
    return nn.Sequential(Summed(options(), Summed(options())), nn.Sequential(nn.ReLU(), options()))


def by_resolution() -> nn.Module:
    """The last layers get a resolution that a choice they do not read decides."""
    unpadded = Conv2d(3, 3, Choice([1, 3], name="kernel"))
    following = [
        Repeat([options(), options(), options()], Choice([1, 2, 3])),
        OneOf([conv(1), conv(3), conv(5), conv(7)]),
    ]
    return nn.Sequential(unpadded, *following)


def by_a_rare_choice() -> nn.Module:
    """Only one deep branch of many changes the resolution."""
    deep = OneOf(
        [conv(1), *(conv(3) for _ in range(6)), OneOf([conv(1), *(conv(3) for _ in range(6)), nn.MaxPool2d(2)])]
    )
    return nn.Sequential(deep, *(OneOf([conv(1), conv(3), conv(5)]) for _ in range(3)))


def by_another_choice() -> nn.Module:
    class Either(nn.Module):
        """Runs its last layer only where the first gives as many channels."""

        def __init__(self) -> None:
            super().__init__()
            self.first = OneOf([nn.Identity(), nn.Conv2d(3, 6, 1)])
            self.last = options()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.first(x)
            return self.last(y) if y.shape[1] == 3 else y[:, :3]

    return nn.Sequential(Either())


def plain_layers_behind_widths() -> nn.Module:
    """What a plain layer gets is decided by the width before it."""
    first, second = Choice([2, 3, 5], name="first"), Choice([4, 6], name="second")
    layers = [Conv2d(3, first, 3), nn.GELU(), Conv2d(first, second, 1), nn.AvgPool2d(2), nn.PReLU()]
    return nn.Sequential(*layers, Conv2d(second, 4, 1))


def one_activation_for_all() -> nn.Module:
    width, activation = Choice([2, 3], name="width"), nn.GELU()
    blocks = [Conv2d(width, width, 1), activation, Conv2d(width, width, 1), activation]
    return nn.Sequential(Conv2d(3, width, 1), activation, Repeat(blocks, Choice([1, 2, 4])), activation)


@pytest.mark.parametrize(
    "make",
    [
        nested,
        cell_with_nested_choices,
        tied,
        tied_conditional,
        cell_alone,
        opened_twice,
        by_resolution,
        by_a_rare_choice,
        plain_layers_behind_widths,
        one_activation_for_all,
    ],
    ids=lambda f: f.__name__,
)
def test_flops_and_params_add_up_for_every_architecture(make: Callable[[], nn.Module]) -> None:
    supernet = nas.Supernet(make())
    every = list(supernet.space)
    table = feature_table(Catalogue(supernet, SHAPE)).part(["flops", "params"])
    for architecture, row in zip(every, table(supernet.space.indices(every)), strict=True):
        network = supernet.extract(architecture)
        assert row.tolist() == [trace(network, SHAPE).flops, sum(each.numel() for each in network.parameters())]


def test_a_place_has_the_choices_that_decide_what_its_block_gets() -> None:
    catalogue = Catalogue(nas.Supernet(plain_layers_behind_widths()), SHAPE)
    decide = {place.path: place.choices for place in catalogue.numbers}
    assert decide == {
        "0": ("first",),
        "1": ("first",),
        "2": ("first", "second"),
        "3": ("second",),
        "4": ("second",),
        "5": ("second",),
    }
    shapes = {tuple(block.inputs[0].shape[1:]) for block in catalogue.blocks if isinstance(block.module, nn.GELU)}
    assert shapes == {(2, 6, 6), (3, 6, 6), (5, 6, 6)}


def test_a_block_that_runs_in_some_networks_has_the_choice_that_decides() -> None:
    supernet = nas.Supernet(by_another_choice())
    catalogue = Catalogue(supernet, SHAPE)
    assert {place.choices for place in catalogue.numbers if place.path.startswith("0.last")} == {("0.first", "0.last")}
    table = feature_table(catalogue).part(["flops"])
    for architecture in supernet.space:
        (row,) = table(supernet.space.indices([architecture]))
        assert row == trace(supernet.extract(architecture), SHAPE).flops


def test_each_call_of_one_activation_counts() -> None:
    supernet = nas.Supernet(one_activation_for_all())
    table = feature_table(Catalogue(supernet, SHAPE)).part(["other calls", "other bytes"])
    calls = {1: 2, 2: 3, 4: 4}
    for architecture in supernet.space:
        (row,) = table(supernet.space.indices([architecture]))
        times = calls[architecture["2.depth"]]
        assert row.tolist() == [times, times * 4 * 2 * architecture["width"] * 8 * 8]


def test_token_ids() -> None:
    width = Choice([4, 8], name="width")
    supernet = nas.Supernet(nn.Sequential(Embedding(20, width), Linear(width, 3)))
    catalogue = Catalogue(supernet, (5,), torch.int64)
    types = {(type(block.module), block.inputs[0].dtype) for block in catalogue.blocks}
    assert types == {(nn.Embedding, torch.int64), (nn.Linear, torch.float32)}
    table = feature_table(catalogue).part(["flops", "params"])
    assert table(supernet.space.indices([{"width": 4}, {"width": 8}])).tolist() == [
        [2 * 5 * 4 * 3, 20 * 4 + 4 * 3 + 3],
        [2 * 5 * 8 * 3, 20 * 8 + 8 * 3 + 3],
    ]


def test_blocks_that_do_the_same_work_are_one() -> None:
    same = nas.Supernet(nn.Sequential(conv(3), options(), options(), conv(3)))
    assert len(Catalogue(same, SHAPE).blocks) == 2
    strided = nas.Supernet(nn.Sequential(conv(3), nn.MaxPool2d(2), options(), conv(3)))
    assert len(Catalogue(strided, SHAPE).blocks) == 4, "the same layer at another resolution is another block"


def test_blocks_that_differ_in_a_function_or_a_buffer_are_two() -> None:
    class Activated(nn.Module):
        def __init__(self, function: Callable[[Tensor], Tensor], size: int) -> None:
            super().__init__()
            self.function = function
            self.register_buffer("table", torch.zeros(size))

        def forward(self, x: Tensor) -> Tensor:
            return self.function(x) + self.table.sum()

    blocks = [Activated(F.relu, 2), Activated(F.gelu, 2), Activated(F.gelu, 2), Activated(F.gelu, 3)]
    assert len(Catalogue(nas.Supernet(nn.Sequential(OneOf(blocks))), SHAPE).blocks) == 3


def test_a_block_knows_where_it_runs_and_on_what() -> None:
    catalogue = Catalogue(nas.Supernet(nested()), SHAPE)
    assert len(catalogue.blocks) == 3
    for block in catalogue.blocks:
        supernet = nas.Supernet(nested())
        supernet.activate(block.architecture)
        assert str(supernet.extract(block.architecture)) and block.module(*block.inputs).shape == (1, *SHAPE)
        assert {each.device.type for each in (*block.inputs, *block.module.parameters())} == {"meta"}


def test_a_zero_is_no_block_whether_or_not_it_runs() -> None:
    edges = {(0, 1): OneOf([Zero(), conv(1)]), (0, 2): OneOf([Zero(), conv(1)]), (1, 2): OneOf([Zero(), conv(3)])}
    supernet = nas.Supernet(nn.Sequential(Cell(edges)))
    catalogue = Catalogue(supernet, SHAPE)
    assert len(catalogue.blocks) == 2
    names = list(supernet.space.choices)
    counts = feature_table(catalogue).part(["blocks"])(supernet.space.indices(list(supernet.space)))[:, 0]
    assert counts.tolist() == [sum(each[name] for name in names) for each in supernet.space]


def test_attention_is_a_block_though_it_calls_no_layer() -> None:
    attention = SelfAttention(nn.MultiheadAttention(4, 2, batch_first=True))
    supernet = nas.Supernet(nn.Sequential(OneOf([nn.Identity(), attention])))
    table = feature_table(Catalogue(supernet, (5, 4))).part(["blocks", "flops"])
    idle, busy = table(supernet.space.indices(list(supernet.space))).tolist()
    assert idle == [0, 0]
    assert busy[0] == 1
    assert busy[1] > 0


def twice() -> nn.Module:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = options()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.inside(self.inside(x))
            return y

    return nn.Sequential(Twice())


def shared() -> nn.Module:
    block = conv(3)
    return nn.Sequential(Repeat([block, block], Choice([1, 2])))


def by_keyword() -> nn.Module:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = options()
            self.last = conv(1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.last(input=self.inside(x))
            return y

    return nn.Sequential(Named())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (twice, r"block '0\.inside\.[01]' runs several times in one network, so costs do not add up"),
        (shared, r"block '0\.0' runs several times"),
        (by_keyword, r"block '0\.last' is not called with plain tensors by position"),
    ],
)
def test_costs_that_do_not_add_up_are_refused(make: Callable[[], nn.Module], match: str) -> None:
    with pytest.raises(NoBlockTableError, match=match):
        Catalogue(nas.Supernet(make()), SHAPE)


class Closed(nn.Module):
    """A forward that is more than a chain of modules."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inside(x)
        return y + y.mean()


def test_too_many_choices_in_one_block_are_refused_before_any_work() -> None:
    widths = [3, *(Choice([2, 3], name=f"width{number}") for number in range(12)), 3]
    convolutions = [Conv2d(a, b, 1) for a, b in pairwise(widths)]
    model = nn.Sequential(OrderedDict(wide=nn.Sequential(*convolutions), last=conv(1)))
    with pytest.raises(
        NoBlockTableError, match=r"table of 531,442 entries, more than 50,000; 12 choices decide about block 'wide'"
    ):
        Catalogue(nas.Supernet(model), SHAPE)
    with pytest.raises(
        NoBlockTableError, match="12 choices decide about the model, which is one block, and the shapes"
    ):
        Catalogue(nas.Supernet(Closed(model)), SHAPE)
    apart = nn.Sequential(*(Conv2d(a, b, 1) for a, b in pairwise(widths)))
    assert len(Catalogue(nas.Supernet(apart), SHAPE).blocks) == 4, "as blocks of their own they are few"


def test_a_wrong_input_and_soft_gates_get_a_sentence() -> None:
    supernet = nas.Supernet(nested())
    with pytest.raises(UsageError, match=r"Sequential cannot be run on an input of shape \(4, 8, 8\)") as refused:
        Catalogue(supernet, (4, 8, 8))
    assert not isinstance(refused.value, NoBlockTableError)
    logits = {name: torch.zeros(len(each), requires_grad=True) for name, each in supernet.space.choices.items()}
    supernet.mix({name: each.softmax(0) for name, each in logits.items()})
    with pytest.raises(UsageError, match=r"follows soft gates.*activate\(\)"):
        Catalogue(supernet, SHAPE)


def test_a_table_says_which_block_runs_also_where_choices_are_inactive() -> None:
    supernet = nas.Supernet(nested())
    space, catalogue = supernet.space, Catalogue(supernet, SHAPE)
    values = np.arange(1.0, 1 + len(catalogue.blocks))[:, None]
    table, costs = catalogue.table(["value"], values), StaticCosts(supernet, SHAPE)
    flops = [trace(block.module, SHAPE).flops for block in catalogue.blocks]
    by_flops = catalogue.table(["flops"], np.array(flops, dtype=float)[:, None])
    for architecture in space:
        (row,) = space.indices([architecture])
        full = np.where(row < 0, 1, row)[None]
        assert table(row[None]) == table(full), "what an inactive choice would be makes no difference"
        assert by_flops(row[None]) == costs(architecture)["flops"]
