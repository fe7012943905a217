"""Forty odd models: what is evaluated is delivered and exported, or the supernet is refused when it is built."""

from pathlib import Path

import pytest
import torch
from odd_models import KEPT, odd_model
from tiny_nets import blobs, scramble

import nas
from nas.costs import StaticCosts, parameters
from nas.evaluation import SharedWeights, check_extraction, check_verdict
from nas.export import check_parity, require_parity, static_onnx, write_onnx
from nas.sharing import BalancedMixture, Sharing
from nas.tasks import Classification

TASK = Classification(["cat", "dog"])

SEEDS = range(48)


def schemes(seed: int, model: torch.nn.Module) -> list[Sharing | None]:
    """Two sets of weights for some of the models, where all their layers can draw fresh ones."""
    whole = all(
        hasattr(each, "reset_parameters") for each in model.modules() if any(True for _ in each.parameters(False))
    )
    return [None, BalancedMixture(2, choices="0.kernel_size")] if whole and seed % 3 == 0 else [None]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_odd_model_is_exact_or_refused(seed: int) -> None:
    odd = odd_model(seed)
    if odd.is_refused:
        with pytest.raises(nas.UsageError):
            nas.Supernet(odd.model)
        return
    for sharing in schemes(seed, odd.model):
        check(nas.Supernet(odd_model(seed).model, sharing), seed)


def check(supernet: nas.Supernet, seed: int) -> None:
    scramble(supernet).train()(torch.randn(8, 1, 8, 8)).sum().backward()
    data = blobs(train=32, validation=12)
    evaluator = SharedWeights(supernet, data, 32, 16)
    costs = StaticCosts(supernet, (1, 8, 8))
    for architecture in (supernet.space.smallest(), supernet.space.largest(), supernet.space.sample(seed)):
        check_extraction(supernet, architecture, data.validation.images)
        check_verdict(evaluator, architecture)
        network = supernet.extract(architecture)
        assert costs(architecture)["params"] == parameters(network)
    images = data.validation.images
    require_parity(network, static_onnx(network, (1, 8, 8), batch=len(images)), [images], TASK, "odd.onnx")


def test_every_oddity_is_tried_and_few_models_are_refused() -> None:
    models = [odd_model(seed) for seed in SEEDS]
    assert {name for odd in models for name in odd.made_of} >= set(KEPT)
    assert 1 <= sum(odd.is_refused for odd in models) <= len(models) - 40


@pytest.mark.parametrize("seed", [4, 15, 22])
def test_the_file_that_is_delivered_of_an_odd_model_is_its_network(seed: int, tmp_path: Path) -> None:
    odd = odd_model(seed)
    supernet = nas.Supernet(odd.model).eval()
    network = supernet.extract(supernet.space.largest())
    network.train()(torch.randn(8, 1, 8, 8)).sum().backward()
    write_onnx(network, tmp_path / "odd.onnx", (1, 8, 8))
    parity = check_parity(network, tmp_path / "odd.onnx", blobs().validation.images, TASK)
    assert parity.max_difference < 1e-4
