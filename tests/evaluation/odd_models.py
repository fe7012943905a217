"""Models put together at random from what people really write: modules reused, subclassed, parametrised, tied, hooked.

Blocks keep ``[N, 6, 8, 8]``. What a model has drawn is listed with it, and so is whether it has to be refused.
"""

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from small_models import SelfAttention
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, weight_norm

from nas.nn import (
    BatchNorm2d,
    Cell,
    Conv2d,
    Embedding,
    GroupNorm,
    LayerNorm,
    Linear,
    MultiheadAttention,
    OneOf,
    Repeat,
    SwitchableBatchNorm2d,
)
from nas.space import Choice

__all__ = ["KEPT", "Odd", "odd_model"]

WIDTH, CLASSES = 6, 4


@dataclass
class Odd:
    """A model, the names of what it is made of, and whether a supernet of it must be refused."""

    model: nn.Module
    made_of: list[str]
    is_refused: bool


@dataclass
class Pool:
    """What several blocks of one model share."""

    rng: random.Random
    relu: nn.Module = field(default_factory=nn.ReLU)
    norm: nn.Module = field(default_factory=lambda: nn.BatchNorm2d(WIDTH))
    hidden: Choice = field(default_factory=lambda: Choice([4, 8], name="hidden"))
    kernel: Choice = field(default_factory=lambda: Choice([1, 3, 5], name="kernel"))
    conv: nn.Module | None = None

    def elastic(self, kind: Any = Conv2d) -> Any:
        """A layer with a choice."""
        if self.rng.random() < 0.5:
            return kind(WIDTH, WIDTH, self.kernel, padding=self.kernel // 2)
        kernel = Choice([1, 3])
        return kind(WIDTH, WIDTH, kernel, padding=kernel // 2, bias=self.rng.random() < 0.5)


class Mirrored(Conv2d):
    """Pads by itself, by what the kernel needs."""

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.state.kernel
        return super().forward(F.pad(x, (columns // 2, columns // 2, rows // 2, rows // 2), mode="reflect"))


class Gained(Conv2d):
    """Has a parameter, a buffer and a module of its own."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.gain, self.after = nn.Parameter(torch.full((WIDTH, 1, 1), 1.5)), nn.PReLU()
        self.register_buffer("offset", torch.tensor(0.25))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(super().forward(x) * self.gain) + self.offset
        return y


class Biased(BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.5


class Asks(Conv2d):
    """Does one thing or another, as the values are."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


class Twice(nn.Module):
    """Calls a block twice, with what was there before."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.blocks, self.named, self.again = nn.ModuleList([block]), nn.ModuleDict({"a": nn.Tanh()}), block

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.named["a"](self.again(self.blocks[0](x)))
        return y


class Two(nn.Module):
    """Takes two inputs and a keyword."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor, y: Tensor, scale: float = 1.0) -> Tensor:
        z: Tensor = self.first(x) + scale * self.second(y)
        return z


class CallsTwo(nn.Module):
    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inside(x, x.flip(-1), scale=0.5)
        return y


class Attends(nn.Module):
    """Pixels as tokens; notes choices that it does not use."""

    def __init__(self, heads: Choice) -> None:
        super().__init__()
        self.norm, self.told = LayerNorm(WIDTH), {"heads": [heads, heads + 1]}
        self.attention = SelfAttention(MultiheadAttention(WIDTH, heads, batch_first=True, head_dim=2))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        y: Tensor = x + self.attention(tokens).transpose(1, 2).reshape(x.shape)
        return y


class Levels(nn.Module):
    """Looks grey values up: the integers inside have no gradient."""

    def __init__(self, width: Choice) -> None:
        super().__init__()
        self.table, self.back = Embedding(8, width), Linear(width, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        levels = (x.mean(1) * 2 + 4).long().clamp(0, 7)
        y: Tensor = x + self.back(self.table(levels)).permute(0, 3, 1, 2)
        return y


class OneTable(nn.Module):
    """Embeds and reads out by one matrix."""

    def __init__(self, width: Choice) -> None:
        super().__init__()
        self.embed, self.head = Embedding(WIDTH, width), Linear(width, WIDTH, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.head(self.embed(x.argmax(1))).permute(0, 3, 1, 2)
        return y


def hidden(pool: Pool) -> nn.Module:
    norm = pool.rng.choice([BatchNorm2d, SwitchableBatchNorm2d, Biased, lambda width: GroupNorm(2, width)])
    act = pool.relu if pool.rng.random() < 0.5 else nn.Dropout(0.3)
    return nn.Sequential(Conv2d(WIDTH, pool.hidden, 1), norm(pool.hidden), act, Conv2d(pool.hidden, WIDTH, 1))


def block(pool: Pool) -> nn.Module:
    return nn.Sequential(pool.elastic(), nn.BatchNorm2d(WIDTH), pool.relu)


def same_in_repeat(pool: Pool) -> nn.Module:
    return Repeat([block(pool)] * 3, Choice([1, 2, 3]))


def shared_candidates(pool: Pool) -> nn.Module:
    one = block(pool)
    return OneOf({"a": one, "b": nn.Sequential(one, pool.norm), "c": nn.Identity()})


def cell_of_one_edge(pool: Pool) -> nn.Module:
    edge = OneOf([pool.elastic(), nn.Identity()])
    return Cell({(0, 1): edge, (0, 2): nn.Conv2d(WIDTH, WIDTH, 1), (1, 2): edge})


def old_weight_norm(pool: Pool) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return weight_norm(pool.elastic())  # type: ignore[no-any-return]


def pruned_plain(pool: Pool) -> nn.Module:
    return prune.l1_unstructured(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), "weight", amount=0.5)


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 0.5)
    layer.register_forward_hook(lambda module, inputs, output: output + 0.1)
    return layer


def tied_convs(pool: Pool) -> nn.Module:
    first, second = (Conv2d(WIDTH, WIDTH, pool.kernel, padding=pool.kernel // 2) for _ in range(2))
    second.weight = first.weight
    return nn.Sequential(first, nn.Sequential(nn.Sequential(nn.BatchNorm2d(WIDTH))), second)


def same_conv_elsewhere(pool: Pool) -> nn.Module:
    pool.conv = pool.elastic() if pool.conv is None else pool.conv
    return nn.Sequential(pool.conv, pool.norm)


def lambda_forward(pool: Pool) -> nn.Module:
    layer = pool.elastic()
    before = layer.forward
    layer.forward = lambda x: before(x) * 2
    return layer


KEPT: dict[str, Callable[[Pool], nn.Module]] = {
    "one ReLU": lambda pool: pool.relu,
    "one batch norm": lambda pool: pool.norm,
    "one convolution": same_conv_elsewhere,
    "hidden width": hidden,
    "one block repeated": same_in_repeat,
    "candidates that share": shared_candidates,
    "cell of one edge": cell_of_one_edge,
    "called twice": lambda pool: Twice(block(pool)),
    "two inputs": lambda pool: CallsTwo(Two(block(pool), pool.norm)),
    "attention": lambda pool: Attends(Choice([1, 3])),
    "integers": lambda pool: Levels(Choice([2, 4])),
    "tied table": lambda pool: OneTable(Choice([2, 4])),
    "tied convolutions": tied_convs,
    "frozen": lambda pool: pool.elastic().requires_grad_(False),
    "subclass that pads": lambda pool: Mirrored(WIDTH, WIDTH, pool.kernel),
    "subclass with a gain": lambda pool: pool.elastic(Gained),
    "subclass under weight norm": lambda pool: parametrizations.weight_norm(pool.elastic(Gained)),
    "weight norm": lambda pool: parametrizations.weight_norm(pool.elastic()),
    "weight norm, old style": old_weight_norm,
    "spectral norm": lambda pool: parametrizations.spectral_norm(pool.elastic()),
    "plain layer under weight norm": lambda pool: parametrizations.weight_norm(nn.Conv2d(WIDTH, WIDTH, 1)),
    "pruned": lambda pool: prune.random_unstructured(pool.elastic(), "weight", amount=0.4),
    "plain layer, pruned": pruned_plain,
    "hooks": lambda pool: hooked(pool.elastic()),
    "hooks on a sequence": lambda pool: hooked(nn.Sequential(OneOf([block(pool), nn.Identity()]))),
}
REFUSED: dict[str, Callable[[Pool], nn.Module]] = {
    "forward that asks for values": lambda pool: pool.elastic(Asks),
    "hooks on a choice": lambda pool: hooked(OneOf([block(pool), nn.Identity()])),
    "forward replaced": lambda_forward,
}


class Own(nn.Module):
    """A model with a forward of its own around the same blocks."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for each in self.blocks:
            x = each(x)
        return x


def odd_model(seed: int) -> Odd:
    """The model of a seed; of eight models about one must be refused."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    pool = Pool(rng)
    names = [list(KEPT)[seed % len(KEPT)], *rng.choices(list(KEPT), k=rng.randint(1, 4))]
    if refused := rng.random() < 0.125:
        names.append(rng.choice(list(REFUSED)))
    rng.shuffle(names)
    stem = Conv2d(1, WIDTH, Choice([1, 3]), padding=0, stride=1)
    made = [stem, nn.Upsample(size=(8, 8)), *({**KEPT, **REFUSED}[name](pool) for name in names)]
    head = [nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * WIDTH, CLASSES)]
    model = Own([*made, *head]) if rng.random() < 0.2 else nn.Sequential(*made, *head)
    return Odd(model, names, refused)
