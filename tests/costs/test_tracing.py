from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from small_models import Concat, SqueezeExcite
from torch import Tensor, nn

from nas.costs.tracing import Trace, parameters, trace
from nas.errors import UsageError

PIXELS = 16 * 16
FLOAT = 4


def plane(channels: int, pixels: int = PIXELS) -> int:
    """Bytes of a float32 feature map."""
    return channels * pixels * FLOAT


def peak(network: Callable[..., object], *shape: int) -> int:
    return trace(network, shape).peak_memory_bytes


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def inverted_block(channels: int, hidden: int) -> Residual:
    return Residual(
        nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Hardswish(),
            nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Hardswish(),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
    )


def test_flops_parameters_and_shape_of_a_chain() -> None:
    network = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 4, 5, 2), nn.Flatten(), nn.Linear(4 * 64, 10))
    expected = 2 * (3 * 9 * 8 * PIXELS + 8 * 25 * 4 * 64 + 256 * 10)
    assert trace(network, (3, 16, 16)) == Trace(expected, plane(3) + plane(8), (10,))
    assert parameters(network) == (3 * 9 * 8 + 8) + (8 * 25 * 4 + 4) + (256 * 10 + 10)


def test_depthwise_flops() -> None:
    assert trace(nn.Conv2d(8, 8, 3, padding=1, groups=8), (8, 16, 16)).flops == 2 * 8 * 9 * PIXELS


def test_attention_flops_count_every_product() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).to("meta").eval()
    length = 6
    cost = trace(lambda x: attention(x, x, x, need_weights=False)[0], (length, 8))
    assert cost.flops == 2 * (length * 8 * 24 + 2 * length * length * 8 + length * 8 * 8)
    assert cost.output_shape == (length, 8)


@pytest.mark.parametrize(
    ("network", "channels", "expected"),
    [
        (nn.Identity(), 3, plane(3)),
        (nn.ReLU(), 3, plane(3)),
        (nn.Sequential(conv(3, 8), conv(8, 16), conv(16, 2)), 3, plane(8 + 16)),
        (nn.Sequential(conv(3, 8), nn.ReLU(), nn.Dropout(), nn.Identity(), conv(8, 2)), 3, plane(3 + 8)),
        (nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU6(True), nn.Hardswish()), 3, plane(3 + 8)),
        (nn.Sequential(conv(3, 8), nn.PReLU(8), nn.SiLU(), nn.GELU(), nn.LeakyReLU()), 3, plane(3 + 8)),
        (Residual(nn.Sequential(conv(8, 16), nn.ReLU(), conv(16, 8))), 8, plane(8 + 16 + 8)),
        (Residual(conv(8, 8)), 8, plane(8 + 8)),
        (Residual(nn.ReLU()), 8, plane(8 + 8)),
        (Concat(conv(2, 4), conv(2, 8)), 2, plane(4 + 8 + 12)),
        (Concat(conv(9, 1), conv(9, 2)), 9, plane(9 + 1 + 2)),
        (SqueezeExcite(8), 8, plane(8) + 2 * 8 * FLOAT),
        (nn.MaxPool2d(2), 8, plane(8) + plane(8, PIXELS // 4)),
        (nn.Sequential(conv(2, 4), nn.Flatten()), 2, plane(2 + 4)),
        (inverted_block(8, 48), 8, plane(8 + 48 + 48)),
    ],
)
def test_peak_memory_counted_by_hand(network: nn.Module, channels: int, expected: int) -> None:
    assert peak(network, channels, 16, 16) == expected


def test_a_tensor_read_later_is_not_overwritten() -> None:
    def late(x: Tensor) -> Tensor:
        y = F.max_pool2d(x, 2)
        return F.relu(y) + torch.tanh(y)

    assert peak(late, 4, 16, 16) == plane(4) + plane(4, 64)
    assert peak(lambda x: F.relu(x) + x.sigmoid() + x, 4, 16, 16) == plane(4 + 4 + 4)


def test_a_view_keeps_all_its_memory_alive() -> None:
    def head_of(x: Tensor) -> Tensor:
        first = F.max_pool2d(x, 1)[:, :1]
        return F.pad(torch.cat([first, first], 1), (8, 8)) + F.pad(first, (8, 8))

    cat, padded = plane(2), plane(2, 2 * PIXELS)
    assert peak(head_of, 8, 16, 16) == max(plane(8 + 8), plane(8) + cat + padded)


def test_broadcast_and_new_types_take_new_memory() -> None:
    assert peak(lambda x: x.double(), 4, 16, 16) == plane(4) + 2 * plane(4)
    assert peak(lambda x: x > 0, 4, 16, 16) == plane(4) + plane(4) // FLOAT
    assert peak(lambda x: x.mean((2, 3), keepdim=True) + x, 4, 16, 16) == plane(4) + 4 * FLOAT


def test_derived_weights_of_a_view_do_not_count() -> None:
    class Sliced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(64, 3, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(x, self.weight[:4], padding=1)

    assert peak(Sliced(), 3, 16, 16) == plane(3 + 4)


def test_a_chain_is_as_large_as_its_largest_block() -> None:
    blocks = [
        conv(3, 8),
        inverted_block(8, 24),
        nn.Sequential(nn.ReLU(), conv(8, 16, 3, 2)),
        inverted_block(16, 64),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    ]
    shape, parts = (3, 16, 16), []
    for block in blocks:
        parts.append(trace(block, shape))
        shape = parts[-1].output_shape
    whole = trace(nn.Sequential(*blocks), (3, 16, 16))
    assert whole.peak_memory_bytes == max(part.peak_memory_bytes for part in parts)
    assert whole.flops == sum(part.flops for part in parts)
    assert whole.output_shape == shape == (10,)


def test_several_inputs_and_outputs() -> None:
    def swap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(b, 2), a

    shapes, types = ((4, 8, 8), (2, 16, 16)), (torch.float32, torch.float32)
    assert trace(swap, ((2, 16, 16), (4, 16, 16))) == Trace(0, plane(2 + 4) + plane(4, 64), shapes, types)


def test_token_ids() -> None:
    network = nn.Sequential(nn.Embedding(100, 8), nn.Linear(8, 4))
    cost = trace(network, (5,), torch.int64)
    assert cost == Trace(2 * 5 * 8 * 4, max(5 * 8 + 5 * 8 * FLOAT, 5 * 12 * FLOAT), (5, 4))


def test_the_type_of_the_output() -> None:
    assert trace(lambda x: x.argmax(1), (3, 16, 16)).output_dtype == torch.int64
    assert trace(nn.Linear(4, 2).double(), (4,), torch.float64).output_dtype == torch.float64


def test_the_network_stays_as_it_was() -> None:
    network = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.Dropout())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, (3, 16, 16))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(each.requires_grad for each in network.parameters())


def test_tied_weights_stay_tied() -> None:
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    network = nn.Sequential(first, second)
    assert parameters(network) == 16
    assert trace(network, (4,)).flops == 2 * 2 * 16


def test_same_costs_inside_inference_mode() -> None:
    network = nn.Sequential(conv(3, 8), nn.Flatten(), nn.Linear(8 * PIXELS, 10))
    outside = trace(network, (3, 16, 16))
    with torch.inference_mode():
        assert trace(network, (3, 16, 16)) == outside


@pytest.mark.parametrize("shape", [(4, 16, 16), (3, 16)])
def test_a_wrong_shape_gets_a_sentence(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"Conv2d cannot be run on an input of shape"):
        trace(conv(3, 8), shape)


def test_nonsense_sizes_get_a_sentence() -> None:
    with pytest.raises(UsageError, match="positive whole numbers"):
        trace(conv(3, 8), (3, 0, 16))
