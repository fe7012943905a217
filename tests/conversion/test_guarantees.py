"""What holds of small models of every family, whatever the architecture."""

from pathlib import Path

import onnxruntime
import pytest
import torch
from guarantees import (
    architectures,
    check_accounts,
    check_extraction,
    check_largest,
    check_untouched,
    check_zeroed,
    fingerprint,
)
from plain_models import MODELS, Made, made

import nas
from nas.export import write_onnx

FEW, MANY = 4, 20


@pytest.fixture(scope="module", params=list(MODELS))
def converted(request: pytest.FixtureRequest) -> tuple[Made, nas.ElasticModel, nas.Supernet]:
    model = made(request.param)
    space = nas.elastic(model.model, model.example, order=None)
    return model, space, nas.Supernet(space).eval()


Converted = tuple[Made, nas.ElasticModel, nas.Supernet]


def test_the_largest_network_is_the_model(converted: Converted) -> None:
    model, _, supernet = converted
    check_largest(supernet, model.model, model.example)


def test_leaving_channels_out_equals_zeroing_them(converted: Converted) -> None:
    model, space, supernet = converted
    for seed in range(FEW):
        check_zeroed(space, supernet, model.model, model.example, seed)


def test_networks_have_the_classes_of_the_model(converted: Converted) -> None:
    model, _, supernet = converted
    for architecture in architectures(supernet, FEW):
        check_extraction(supernet, architecture, model.model, model.example)


def test_every_parameter_is_listed_once(converted: Converted) -> None:
    model, space, _ = converted
    check_accounts(space, model.model)


@pytest.mark.slow
def test_all_of_it_for_many_architectures(converted: Converted) -> None:
    model, space, supernet = converted
    for seed, architecture in enumerate(architectures(supernet, MANY)):
        check_zeroed(space, supernet, model.model, model.example, seed)
        check_extraction(supernet, architecture, model.model, model.example)


@pytest.mark.parametrize("name", MODELS)
def test_the_model_stays_as_it_is(name: str) -> None:
    model = made(name)
    model.model.train()
    before = fingerprint(model.model)
    space = nas.elastic(model.model, model.example)
    check_untouched(before, model.model)
    assert all(module.training for module in space.network.modules())


@pytest.mark.parametrize("name", ["resnet", "gpt", pytest.param("swin", marks=pytest.mark.slow)])
def test_networks_learn_what_the_supernet_learns(name: str) -> None:
    model = made(name)
    supernet = nas.Supernet(nas.elastic(model.model, model.example, order=None)).eval()
    architecture = supernet.space.sample(1)
    supernet.activate(architecture)
    network = supernet.extract(architecture)
    supernet(model.example).square().sum().backward()
    network(model.example).square().sum().backward()
    ours = sorted(
        float(each.grad.norm()) for each in supernet.parameters() if each.grad is not None and each.grad.any()
    )
    theirs = sorted(
        float(each.grad.norm()) for each in network.parameters() if each.grad is not None and each.grad.any()
    )
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["convnext", *(pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name != "convnext")]
)
def test_onnx_gives_what_the_network_gives(name: str, tmp_path: Path) -> None:
    model = made(name)
    supernet = nas.Supernet(nas.elastic(model.model, model.example)).eval()
    network = supernet.extract(supernet.space.sample(0)).eval()
    path = write_onnx(network, tmp_path / "network.onnx", model.example.shape[1:], dtype=model.example.dtype)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"input": model.example.numpy()})
    torch.testing.assert_close(torch.from_numpy(given), model.run(network), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenet", "audio"])
def test_batch_norm_statistics_are_those_of_the_network_alone(name: str) -> None:
    """Training one network, as recalibration does, moves the statistics of its channels as in the extracted one."""
    model = made(name)
    supernet = nas.Supernet(nas.elastic(model.model, model.example, depth="fixed"))
    architecture = supernet.space.sample(3)
    supernet.activate(architecture)
    network = supernet.extract(architecture).train()
    for training in (supernet.train(), network):
        torch.manual_seed(0)
        training(model.example)
    supernet.eval()
    network.eval()
    torch.testing.assert_close(supernet(model.example), network(model.example), rtol=1e-4, atol=1e-5)
