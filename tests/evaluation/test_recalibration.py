"""Batch-norm statistics of an extracted or shared network are those of the very network."""

import pytest
import torch
from tiny_nets import MODELS, blobs, rows, supernet
from torch import nn

import nas
from nas.data import load
from nas.evaluation import SharedWeights, evaluate, recalibrate
from nas.sampling import Sandwich
from nas.training import CrossEntropy, InPlaceDistillation, Recipe, SupernetStep, train


@pytest.mark.parametrize("name", MODELS)
def test_shared_weights_equal_the_extracted_recalibrated_network(name: str) -> None:
    network, data = supernet(name), blobs()
    evaluator = SharedWeights(network, data, 64, 32)
    architectures = [network.space.sample(number) for number in range(8)]
    for architecture, row in zip(architectures, rows(evaluator, architectures), strict=True):
        plain = recalibrate(network.extract(architecture), evaluator.calibration_batches())
        assert row == pytest.approx(evaluate(plain, data.validation.batches(32), data.task), rel=1e-4)
        same = evaluate(evaluator.network(architecture), data.validation.batches(32), data.task)
        assert row == pytest.approx(same, rel=1e-4)


def test_one_batch_of_everything_is_batch_statistics_normalisation() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3))
    x = torch.randn(200, 1, 8, 8) * 3 + 1
    expected = network.train()(x)
    recalibrate(network, [x])
    torch.testing.assert_close(network(x), expected, rtol=1e-3, atol=1e-3)


def test_statistics_are_the_average_over_batches_alike() -> None:
    norm = nn.BatchNorm2d(2)
    batches = [torch.randn(20, 2, 3, 3) + shift for shift in (0.0, 5.0, 7.0)]
    recalibrate(nn.Sequential(norm), batches)
    mean = torch.stack([x.mean((0, 2, 3)) for x in batches]).mean(0)
    var = torch.stack([x.transpose(0, 1).flatten(1).var(1) for x in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, var)
    assert norm.num_batches_tracked == 3


def test_all_but_batch_norm_runs_in_evaluation_mode() -> None:
    norm = nn.BatchNorm2d(2, momentum=0.1)
    network = nn.Sequential(nn.Dropout(0.9), norm)
    x = torch.randn(50, 2, 3, 3)
    recalibrate(network, [x])
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
    assert norm.momentum == 0.1
    assert not any(module.training for module in network.modules())


def test_a_network_without_running_statistics_is_left_alone() -> None:
    class Refuses(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError("there is nothing to calibrate")

    network = nn.Sequential(Refuses(), nn.BatchNorm2d(2, track_running_stats=False)).train()
    assert not recalibrate(network, [torch.zeros(1, 2, 3, 3)]).training


def width_elastic() -> nas.Supernet:
    """Three convolutions whose widths are one choice."""
    layers: list[nn.Module] = []
    width = nas.Choice([4, 8, 16, 32], name="width")
    for inputs, stride in ((1, 1), (width, 2), (width, 2)):
        layers += [nas.nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nas.nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nas.nn.Linear(width, 10)]
    return nas.Supernet(nn.Sequential(*layers, *head))


def test_shared_statistics_collapse_and_recalibrated_ones_do_not() -> None:
    """The decisive setup on slimmable networks (Yu and Huang, 2019): one set of statistics fits no width."""
    torch.manual_seed(0)
    network, data = width_elastic(), load("digits")
    step = SupernetStep(network, Sandwich(network.space, 0), [CrossEntropy(roles=("largest",)), InPlaceDistillation()])
    train(step, data.train, Recipe(epochs=4), seed=0)
    evaluator = SharedWeights(network, data)
    for architecture, margin in ((network.space.smallest(), 0.05), (network.space.largest(), -0.01)):
        shared = evaluate(network.extract(architecture), data.validation.batches(256), data.task)["accuracy"]
        (row,) = rows(evaluator, [architecture])
        assert row["accuracy"] >= shared + margin  # type: ignore[index]
        assert row["accuracy"] >= 0.5  # type: ignore[index]
