"""Pruning while a supernet trains: how many weights are zero when, and which stay so."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import check_resumed, elastic, split
from torch import Tensor, nn

from nas.errors import UsageError
from nas.methods.magnitude_pruning import MagnitudePruning
from nas.sampling import Sandwich
from nas.training import Context, CrossEntropy, Epoch, Listener, Phase, Recipe, SupernetStep, train_phases


def weights(model: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in model.parameters() if each.dim() > 1])


class Watch(Listener):
    """Which weights are zero when gradients are there."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.zeros, self.progress = model, list[Tensor](), list[float]()

    def after_step(self, context: Context) -> None:
        self.zeros.append(weights(self.model) == 0)
        self.progress.append(context.progress)


def trained(sparsity: float, **options: Any) -> tuple[nn.Module, Watch, list[Epoch]]:
    recipe = {key: options.pop(key) for key in ("optimizer", "learning_rate") if key in options}
    supernet = elastic()
    step = SupernetStep(supernet, Sandwich(supernet.space, 0), [CrossEntropy()])
    watch = Watch(supernet)
    listeners = [MagnitudePruning(supernet.model, sparsity), watch]
    phase = Phase(step, split(), Recipe(epochs=5, batch_size=8, weight_decay=0.01, **recipe), listeners=listeners)
    return supernet, watch, train_phases([phase], seed=0, **options)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_share_of_zeros_rises_by_a_tenth_and_stays(optimizer: str) -> None:
    model, watch, history = trained(0.25, optimizer=optimizer, learning_rate=0.02)
    count = len(weights(model))
    seen = [int(zeros.sum()) for zeros in watch.zeros]
    first = [next(i for i, progress in enumerate(watch.progress) if progress >= time * 0.25) for time in (1, 2, 3)]
    for begin, share in zip(first, (0.1, 0.2, 0.25), strict=True):
        assert not begin or seen[begin - 1] != seen[begin]
        assert abs(seen[begin] - share * count) <= 1
    held = watch.zeros[first[2]]
    assert all(torch.equal(zeros, held) for zeros in watch.zeros[first[2] :])
    assert torch.equal(weights(model) == 0, held), "after the last step too"
    assert history[-1]["sparsity"] == pytest.approx(0.25, abs=1 / count)


def test_weights_may_come_back_until_the_last_time() -> None:
    _, watch, _ = trained(0.3)
    seen = [int(zeros.sum()) for zeros in watch.zeros]
    assert min(seen[seen.index(max(seen[:15])) + 1 : 15]) < max(seen[:15])
    final = watch.zeros[-1]
    early = watch.zeros[next(i for i, progress in enumerate(watch.progress) if progress >= 0.25)]
    assert bool((early & ~final).any()), "some were pruned once and are left in the end"


def test_the_smallest_weights_go_and_get_no_gradient() -> None:
    supernet = elastic()
    pruning, before = MagnitudePruning(supernet.model, 0.1, until=0.5), weights(supernet).abs()
    pruning.before_step(Context(0, recipe=Recipe(epochs=2), recipe_epoch=1))
    zero = weights(supernet) == 0
    assert before[zero].max() <= before[~zero].min() and abs(int(zero.sum()) - 0.1 * len(zero)) <= 1
    supernet.activate(supernet.space.largest())
    x, y = next(split().batches(8))
    nn.functional.cross_entropy(supernet(x), y).backward()
    pruning.after_step(Context(0))
    gradient = torch.cat([each.grad.flatten() for each in supernet.parameters() if each.dim() > 1])  # type: ignore[union-attr]
    assert not gradient[zero].any() and gradient[~zero].any()


def test_a_training_that_goes_on_ends_bit_for_bit_alike(tmp_path: Any) -> None:
    check_resumed(lambda **options: trained(0.3, **options)[0], tmp_path / "checkpoint.safetensors")


REFUSED: list[Callable[[], object]] = [
    lambda: MagnitudePruning(nn.Linear(2, 2), 0.0),
    lambda: MagnitudePruning(nn.Linear(2, 2), 1.0),
    lambda: MagnitudePruning(nn.Linear(2, 2), 0.5, until=0.0),
]


@pytest.mark.parametrize("make", REFUSED)
def test_shares_that_make_no_sense_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match="both must be between 0 and 1"):
        make()
