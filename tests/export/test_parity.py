"""A file that does not answer as its network is refused, with the place where that begins."""

import re

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from nas.errors import UsageError
from nas.export import Normalised, check_parity, dynamic_onnx, require_parity
from nas.tasks import Classification, MultiLabel, Regression, Task

TASK = Classification(["cat", "dog"])

IMAGES = torch.rand(70, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), Residual(), Residual(), nn.Flatten(), nn.Linear(256, 5)]
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def model(network: nn.Module) -> bytes:
    return dynamic_onnx(network, (1, 8, 8))


def changed(model: bytes, name: str, value: float) -> bytes:
    """The model with another first weight in the initializer whose name begins so."""
    opened = onnx.load_from_string(model)
    (tensor,) = (each for each in opened.graph.initializer if each.name.startswith(name))
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] += value
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return opened.SerializeToString()


def test_a_file_that_answers_as_its_network_passes(network: nn.Module, model: bytes) -> None:
    found = [
        require_parity(network, model, torch.split(IMAGES, 32), TASK, "best.onnx"),
        *(check_parity(network, model, images, TASK) for images in (IMAGES, IMAGES.split(7))),
    ]
    assert {(parity.label_agreement, parity.samples) for parity in found} == {(1.0, 70)}
    assert max(parity.max_difference for parity in found) < 1e-5


@pytest.mark.parametrize(
    ("task", "said"), [(Regression(), "numbers within 1%"), (MultiLabel(), "the same labels")], ids=str
)
def test_a_file_of_another_task_is_told_from_a_wrong_one(
    task: Task, said: str, network: nn.Module, model: bytes
) -> None:
    assert check_parity(network, model, IMAGES, task).label_agreement == 1
    wrong = changed(model, "5.bias", 0.5)
    parity = check_parity(network, wrong, IMAGES, task)
    assert parity.label_agreement < 1 and parity.max_difference == pytest.approx(0.5, rel=1e-4)
    with pytest.raises(UsageError, match=f"answers otherwise than the network: .* with {said} for "):
        require_parity(network, wrong, [IMAGES], task, "best.onnx")


@pytest.mark.parametrize(
    ("initializer", "value", "module"), [("3.body.0.weight", 0.5, "3.body.1"), ("5.weight", float("nan"), "5")]
)
def test_the_module_that_differs_is_named(
    network: nn.Module, model: bytes, initializer: str, value: float, module: str
) -> None:
    with pytest.raises(UsageError, match=rf"^best.onnx was not written, .* from module '{re.escape(module)}' on, "):
        require_parity(network, changed(model, initializer, value), [IMAGES], TASK, "best.onnx")


def test_a_path_is_that_of_the_network_not_of_what_is_around_it(network: nn.Module) -> None:
    whole = Normalised(network, [0.5], [0.25])
    model = changed(dynamic_onnx(whole, (1, 8, 8)), "network.5.bias", 0.5)
    with pytest.raises(UsageError, match="from module '5' on, "):
        require_parity(whole, model, [IMAGES], TASK, "best.onnx")


def test_where_no_module_can_be_told_the_difference_is(network: nn.Module) -> None:
    class Scaled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1) * 2

    other = onnx.load_from_string(dynamic_onnx(Scaled(), (1, 8, 8)))
    for node in other.graph.node:
        node.op_type = {"Mul": "Add"}.get(node.op_type, node.op_type)
    with pytest.raises(UsageError, match=r"by up to 2 where outputs reach 2, with the same label for 100.00% of 70"):
        require_parity(Scaled(), other.SerializeToString(), [IMAGES], TASK, "best.onnx")


def test_a_difference_in_a_later_batch_counts(network: nn.Module, model: bytes) -> None:
    class Thresholded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x) + (x[:, 0, 0, 0] > 1).float()[:, None]

    later = IMAGES.clone()
    later[-1, 0, 0, 0] = 2.0
    require_parity(Thresholded(), model, [IMAGES], TASK, "best.onnx")
    with pytest.raises(UsageError, match="was not written"):
        require_parity(Thresholded(), model, later.split(35), TASK, "best.onnx")


def test_normalised_is_what_training_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    unit = torch.from_numpy(pixels).float() / 255
    expected = (unit - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    assert torch.equal(Normalised(nn.Identity(), mean, std)(unit), expected)
    whole = Normalised(nn.Identity(), [255 * each for each in mean], [255 * each for each in std])
    torch.testing.assert_close(whole(torch.from_numpy(pixels)), expected)
