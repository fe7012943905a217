"""One odd graph each: the plain model on top, below what becomes of it."""

import pytest
import torch
import torch.nn.functional as F
from guarantees import architectures, check_accounts, check_extraction, check_largest, check_zeroed
from torch import Tensor, nn

import nas

IMAGE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


def converted(model: nn.Module, example: Tensor) -> nas.ElasticModel:
    """After all that must hold of it."""
    model.eval()
    space = nas.elastic(model, example, order=None, divisor=1)
    supernet = nas.Supernet(space).eval()
    check_largest(supernet, model, example)
    check_accounts(space, model)
    for seed, architecture in enumerate(architectures(supernet, 3)):
        check_extraction(supernet, architecture, model, example)
        check_zeroed(space, supernet, model, example, seed)
    return space


def names(space: nas.ElasticModel) -> list[str]:
    return [str(width.choice.name) for width in space.plan.widths]


def reasons(space: nas.ElasticModel) -> str:
    return " | ".join(space.plan.reasons(space.parameters))


class Between(nn.Module):
    """A convolution, what is odd, a convolution."""

    def __init__(self, inputs: int = 16, channels: int = 16) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, channels, 1), nn.Conv2d(inputs, 2, 1)

    def odd(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.odd(self.first(x)))
        return y


class Flattened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 16, 3, 2), nn.Linear(16 * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.conv(x).view(x.size(0), -1))
        return y


def test_flatten_into_linear() -> None:
    assert names(converted(Flattened(), IMAGE)) == ["conv.width"]


class FlattenedToConstant(Flattened):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.conv(x).view(-1, 144))
        return y


def test_a_constant_in_a_view_fixes_the_width() -> None:
    with pytest.raises(nas.UsageError, match="has a size of its own: view"):
        nas.elastic(FlattenedToConstant(), IMAGE, kernel="fixed")


class FlattenedToAttribute(Flattened):
    def __init__(self) -> None:
        super().__init__()
        self.flat = 144

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.conv(x).view(-1, self.flat))
        return y


def test_an_attribute_in_a_view_follows_the_width() -> None:
    space = converted(FlattenedToAttribute(), IMAGE)
    assert [(each.path, each.name) for each in space.plan.followers] == [("", "flat")]
    supernet = nas.Supernet(space)
    assert supernet.extract(supernet.space.smallest()).flat == 36


class Shuffled(Between):
    def odd(self, x: Tensor) -> Tensor:
        return x.view(2, 4, 4, 8, 8).transpose(1, 2).flatten(1, 2)


def test_a_channel_shuffle_fixes_what_is_in_another_order() -> None:
    with pytest.raises(nas.UsageError, match="another order"):
        nas.elastic(Shuffled(), IMAGE)


class PixelShuffled(Between):
    def __init__(self) -> None:
        super().__init__(inputs=4)

    def odd(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, 2)


def test_pixel_shuffle_moves_four_channels_as_one() -> None:
    (width,) = converted(PixelShuffled(), IMAGE).plan.widths
    assert width.choice.candidates == (4, 8, 12, 16)


class PixelUnshuffled(Between):
    def __init__(self) -> None:
        super().__init__(inputs=64)

    def odd(self, x: Tensor) -> Tensor:
        return F.pixel_unshuffle(x, 2)


def test_pixel_unshuffle() -> None:
    assert names(converted(PixelUnshuffled(), IMAGE)) == ["first.width"]


class Parts(Between):
    def __init__(self) -> None:
        super().__init__(inputs=8)

    def odd(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return left * torch.sigmoid(right)


def test_halves_of_a_gate_are_cut_alike() -> None:
    (width,) = converted(Parts(), IMAGE).plan.widths
    assert width.choice.candidates == (4, 8, 12, 16)


class UnequalParts(Between):
    def __init__(self) -> None:
        super().__init__(inputs=16)
        self.head = 4

    def odd(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, self.head :], F.relu(x[:, : self.head])], 1)


def test_a_slice_at_an_attribute() -> None:
    space = converted(UnequalParts(), IMAGE)
    assert names(space) == ["first.width", "first.width.2"]
    assert [each.name for each in space.plan.followers] == ["head"]


class Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 12, 1), nn.Conv2d(23, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.cat([self.a(x), x, self.b(x)], 1))
        return y


def test_a_concatenation_with_the_input() -> None:
    assert names(converted(Joined(), IMAGE)) == ["a.width", "b.width"]


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.grouped, self.last = (
            nn.Conv2d(3, 16, 1),
            nn.Conv2d(16, 32, 3, 1, 1, groups=4),
            nn.Conv2d(32, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.grouped(self.first(x)))
        return y


def test_groups_are_cut_as_a_whole() -> None:
    space = converted(Grouped(), IMAGE)
    assert names(space) == ["first.width"]
    supernet = nas.Supernet(space)
    assert supernet.extract(supernet.space.smallest()).grouped.groups == 1


class Multiplied(Grouped):
    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(16, 32, 3, 1, 1, groups=16)


def test_a_depthwise_convolution_that_makes_two_of_each() -> None:
    assert names(converted(Multiplied(), IMAGE)) == ["first.width"]


class GroupedTransposed(Grouped):
    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.ConvTranspose2d(16, 32, 2, 2, groups=4)  # type: ignore[assignment]


def test_a_transposed_convolution_with_groups() -> None:
    assert names(converted(GroupedTransposed(), IMAGE)) == ["first.width"]


NORMS = [
    nn.GroupNorm(4, 16),
    nn.GroupNorm(16, 16),
    nn.GroupNorm(1, 16),
    nn.InstanceNorm2d(16, affine=True),
    nn.BatchNorm2d(16, affine=False),
    nn.PReLU(16),
    nn.Softmax2d(),
]


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: str(norm)[:14])
def test_channel_norms(norm: nn.Module) -> None:
    model = Between()
    model.odd = norm  # type: ignore[method-assign, assignment]
    assert names(converted(model, IMAGE)) == ["first.width"]


class Shared(Between):
    def __init__(self) -> None:
        super().__init__()
        self.middle = nn.Conv2d(16, 16, 3, padding=1)

    def odd(self, x: Tensor) -> Tensor:
        y: Tensor = self.middle(F.relu(self.middle(x)))
        return y


def test_a_layer_that_is_called_twice_ties_its_input_to_its_output() -> None:
    (width,) = converted(Shared(), IMAGE).plan.widths
    assert {axis.place.path for group in width.groups for axis in group.axes} == {"first", "middle", "last"}


class TiedWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.hidden, self.head = nn.Embedding(20, 16), nn.Linear(16, 16), nn.Linear(16, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        y: Tensor = self.head(F.relu(self.hidden(self.embed(tokens))))
        return y


def test_an_embedding_that_is_the_head() -> None:
    space = converted(TiedWeights(), torch.randint(0, 20, (2, 6)))
    assert names(space) == ["embed.width"]
    supernet = nas.Supernet(space)
    network = supernet.extract(supernet.space.smallest())
    assert network.head.weight is network.embed.weight


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.lstm, self.head = nn.Linear(16, 32), nn.LSTM(32, 8, batch_first=True), nn.Linear(8, 16)
        self.mlp = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp(self.head(self.lstm(self.up(x))[0]))
        return y


def test_recurrent_layers_are_fixed() -> None:
    space = converted(Recurrent(), TOKENS)
    assert names(space) == ["head.width", "mlp.0.width"]
    assert "lstm() in 'lstm', for which there is no rule" in reasons(space)


class Gram(Between):
    def odd(self, x: Tensor) -> Tensor:
        y = x.flatten(2)
        gram = (y @ y.transpose(1, 2)).softmax(-1)
        return x + (gram @ y).view_as(x)


def test_attention_between_channels_keeps_them_all() -> None:
    with pytest.raises(nas.UsageError, match="nothing in Gram can vary"):
        nas.elastic(Gram(), IMAGE)


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.tokens, self.down = nn.Linear(16, 32), nn.Linear(5, 5), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(self.tokens(self.up(x).transpose(1, 2)).transpose(1, 2))
        return y


def test_a_layer_over_tokens_stays_while_channels_vary() -> None:
    space = converted(Mixer(), TOKENS)
    assert names(space) == ["up.width"]
    assert "'tokens.weight' mixes what is no channel" in reasons(space)


class SpatialGate(Between):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(2, 1, 3, padding=1)

    def odd(self, x: Tensor) -> Tensor:
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.gate(seen))


def test_a_gate_over_positions() -> None:
    space = converted(SpatialGate(), IMAGE)
    assert names(space) == ["first.width"] and space.plan.widths[0].groups[0].softened


class Scaled(Between):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.randn(1, 16, 1, 1))
        self.register_buffer("mean", torch.randn(3, 1, 1))

    def odd(self, x: Tensor) -> Tensor:
        return self.gamma * x

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - self.mean)


def test_a_parameter_of_the_model_itself() -> None:
    space = converted(Scaled(), IMAGE)
    supernet = nas.Supernet(space)
    assert supernet.extract(supernet.space.smallest()).gamma.shape == (1, 4, 1, 1)


class Buffered(Between):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.randn(1, 16, 1, 1))

    def odd(self, x: Tensor) -> Tensor:
        return x + self.offset


def test_a_buffer_of_full_width_fixes_it() -> None:
    with pytest.raises(nas.UsageError, match="meets the buffer 'offset' in add"):
        nas.elastic(Buffered(), IMAGE)


class Counted(Between):
    def odd(self, x: Tensor) -> Tensor:
        return x.cumsum(1)


def test_an_operation_without_a_rule_fixes_what_it_reads() -> None:
    with pytest.raises(nas.UsageError, match=r"is read by cumsum\(\), for which there is no rule"):
        nas.elastic(Counted(), IMAGE)


class Positions(Between):
    def __init__(self) -> None:
        super().__init__(inputs=1)

    def odd(self, x: Tensor) -> Tensor:
        return x.max(1, keepdim=True)[1].to(x.dtype)


def test_positions_of_channels_keep_them_in_place() -> None:
    with pytest.raises(nas.UsageError, match=r"has positions that max\(\) gives"):
        nas.elastic(Positions(), IMAGE)


class Converted(Between):
    def odd(self, x: Tensor) -> Tensor:
        return x.double().float().to(x)


def test_types_are_no_values() -> None:
    assert names(converted(Converted(), IMAGE)) == ["first.width"]


class Triangle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(16, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(self.up(x).tril())
        return y


def test_a_triangle_of_channels_keeps_them_all() -> None:
    with pytest.raises(nas.UsageError, match=r"is read by tril\(\)"):
        nas.elastic(Triangle(), TOKENS)


class AttentionWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, weights = self.attention(x, x, x, average_attn_weights=False)
        return self.head(y), weights


def test_weights_of_heads_in_the_output_keep_the_heads() -> None:
    with pytest.raises(nas.UsageError, match="nothing in AttentionWeights can vary"):
        nas.elastic(AttentionWeights(), TOKENS)


class InPlace(Between):
    def odd(self, x: Tensor) -> Tensor:
        y = F.relu(x, inplace=True)
        y += 1
        y[:, :, 0] = 0
        return y.mul_(2)


def test_writing_in_place() -> None:
    assert names(converted(InPlace(), IMAGE)) == ["first.width"]


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.last = nn.Linear(16, 24), nn.Linear(16, 24), nn.Linear(24, 2)

    def forward(self, x: Tensor, scale: Tensor | None = None, *, other: Tensor) -> dict[str, Tensor]:
        return {"y": self.last(F.gelu(self.a(x) * self.b(other)))}


def test_several_inputs_and_an_output_that_is_no_tensor() -> None:
    model = TwoInputs().eval()
    space = nas.elastic(model, {"x": TOKENS, "other": TOKENS}, order=None)
    assert names(space) == ["a.width"]


class StandardisedConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def test_a_weight_that_is_computed_stays() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 1),
        StandardisedConv(16, 16, 3, padding=1),
        nn.Conv2d(16, 16, 1),
        nn.ReLU(),
        nn.Conv2d(16, 2, 1),
    )
    assert names(converted(model, IMAGE)) == ["2.width"]


class CrossAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(3, 16))
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.embed, self.mlp = nn.Linear(16, 16), nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        y: Tensor = self.mlp(self.attention(self.queries.expand(len(x), -1, -1), x, x)[0])
        return y


def test_attention_of_learnt_queries() -> None:
    assert "mlp.0.width" in names(converted(CrossAttention(), TOKENS))


class Einsum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads, self.q, self.k, self.v, self.out = (
            4,
            nn.Linear(16, 32),
            nn.Linear(16, 32),
            nn.Linear(16, 32),
            nn.Linear(32, 16),
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.q, self.k, self.v))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k).softmax(-1)
        y: Tensor = self.out(torch.einsum("bhqk,bkhd->bqhd", scores, v).flatten(2))
        return y


def test_heads_in_an_einsum() -> None:
    (width,) = converted(Einsum(), TOKENS).plan.widths
    assert (width.choice.name, width.choice.candidates) == ("q.heads", (1, 2, 3, 4))


class SingleHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(16, 16) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x)))
        return y


def test_a_scale_that_depends_on_the_width_fixes_it() -> None:
    space = converted(SingleHead(), TOKENS)
    assert names(space) == ["v.width"] and "decides the scale" in reasons(space)


class Padded(Between):
    def __init__(self) -> None:
        super().__init__(inputs=20)

    def odd(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, 0, 0, 4))


def test_channels_of_zeros_behind_others() -> None:
    assert names(converted(Padded(), IMAGE)) == ["first.width"]


class Unfolded(Between):
    def __init__(self) -> None:
        super().__init__(inputs=144)

    def odd(self, x: Tensor) -> Tensor:
        return F.unfold(x, 3, padding=1).view(2, -1, 8, 8)


def test_patches_of_neighbours() -> None:
    assert names(converted(Unfolded(), IMAGE)) == ["first.width"]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.conv(x))


def test_runs_of_residual_blocks_have_a_depth() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), Block(), Block(), nn.ReLU(), Block(), nn.Conv2d(16, 2, 1))
    space = converted(model, IMAGE)
    (stage,) = space.plan.stages
    assert {run: choice.candidates for run, choice in stage.runs.items()} == {(1, 3): (0, 1, 2), (4, 5): (0, 1)}
    supernet = nas.Supernet(space)
    assert [type(each).__name__ for each in supernet.extract(supernet.space.smallest())][1:3] == [
        "Identity",
        "Identity",
    ]


def test_blocks_that_add_nothing_to_their_input_stay() -> None:
    plain = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16))
    assert not converted(nn.Sequential(nn.Conv2d(3, 16, 1), plain, plain, nn.Conv2d(16, 2, 1)), IMAGE).plan.stages
