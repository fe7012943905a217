"""A network whose answer for an example depends on anything else is refused, with the module that makes it so."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.evaluation import check_inference, check_memory

IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Does(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x / self.seen


def network(*inside: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *inside, nn.Flatten(), nn.Linear(144, 5))


@pytest.mark.parametrize(
    "module",
    [
        nn.BatchNorm2d(4, track_running_stats=False),
        Does(lambda x: x - x.mean(0, keepdim=True)),
        Does(lambda x: x.flip(0)),
        Does(lambda x: x * len(x)),
    ],
    ids=["batch norm without statistics", "centred", "turned around", "times the size"],
)
def test_what_depends_on_the_batch_is_refused(module: nn.Module) -> None:
    with pytest.raises(UsageError, match=rf"'1' \({type(module).__name__}\) gives an example something else beside"):
        check_inference(network(module), IMAGES)


@pytest.mark.parametrize(
    "module", [Does(lambda x: F.dropout(x, 0.5)), Does(lambda x: x + torch.randn_like(x)), Counts()],
    ids=["dropout", "noise", "count"],
)  # fmt: skip
def test_what_is_another_each_time_is_refused(module: nn.Module) -> None:
    with pytest.raises(UsageError, match=rf"'1' \({type(module).__name__}\) gives something else each time"):
        check_inference(network(module), IMAGES)


@pytest.mark.parametrize("module", [nn.ReLU(inplace=True), Does(lambda x: x.mul_(2).sub_(1))], ids=["relu", "scale"])
def test_a_network_that_writes_over_its_input_is_refused(module: nn.Module) -> None:
    with pytest.raises(UsageError, match="Sequential writes over its input"):
        check_inference(nn.Sequential(module, network()), IMAGES.clone())


def test_what_trains_otherwise_passes_and_keeps_mode_and_random_state() -> None:
    ordinary = [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.RReLU(inplace=True), nn.Dropout(0.5), nn.InstanceNorm2d(4)]
    whole, state = network(*ordinary).train(), torch.get_rng_state()
    check_inference(whole, IMAGES)
    assert whole.training and torch.equal(torch.get_rng_state(), state)


def test_a_single_example_that_rounding_turns_over_does_not_count() -> None:
    def rounds(x: Tensor) -> Tensor:
        return torch.where((torch.arange(len(x)) == 1)[:, None, None, None], x.ceil(), x)

    check_inference(network(Does(rounds)), IMAGES)


def test_rows_may_be_other_than_examples() -> None:
    def by_token(x: Tensor) -> Tensor:
        return x.permute(2, 3, 0, 1).reshape(-1, 4).tanh().reshape(6, 6, -1, 4).permute(2, 3, 0, 1)

    check_inference(network(Does(by_token)), IMAGES)
    with pytest.raises(UsageError, match=r"'2' \(Does\) gives an example something else beside"):
        check_inference(network(Does(by_token), Does(lambda x: x.cumsum(0).flip(0))), IMAGES)


class Remembers(nn.Module):
    """A mean of what came in training, in a buffer or beside all that PyTorch sees."""

    def __init__(self, in_buffer: bool) -> None:
        super().__init__()
        self.last: Tensor | None = None
        if in_buffer:
            self.register_buffer("mean", torch.zeros(()))
        else:
            self.mean = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.last = x
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return x - self.mean


@pytest.mark.parametrize("in_buffer", [True, False], ids=["buffer", "attribute"])
def test_what_training_leaves_must_be_where_a_checkpoint_finds_it(in_buffer: bool) -> None:
    trained, fresh = (network(Remembers(in_buffer), nn.BatchNorm2d(4), nn.Dropout(0.5)).train() for _ in range(2))
    trained(3 + IMAGES)
    if in_buffer:
        check_memory(trained, fresh, IMAGES)
        assert trained.training and fresh.training
    else:
        with pytest.raises(UsageError, match=r"'1' \(Remembers\) remembers of training what is in no parameter or buf"):
            check_memory(trained, fresh, IMAGES)
