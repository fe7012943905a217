"""Methods find the operations, and the kernel sizes, that alone can solve a task (results/benchmarks/planted)."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "results/benchmarks" / "planted" / "planted.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


planted = load_script()


def test_darts_keeps_clear_of_noise_and_zero() -> None:
    rows = planted.find_operations("darts", 0)
    assert len(rows) == planted.EDGES
    assert {row["likeliest"] for row in rows} <= {"skip", "conv"}
    assert all(row["p(conv)"] > 0.5 for row in rows)


@pytest.mark.parametrize(("kernels", "sees"), [("5-5-5", True), ("7-7-7", True), ("3-5-5", False), ("5-5-3", False)])
def test_a_kernel_smaller_than_the_planted_one_sees_nothing_of_the_class(kernels: str, sees: bool) -> None:
    torch.manual_seed(0)
    supernet = planted.kernel_chain()
    supernet.activate(dict(zip(supernet.space.choices, planted.sizes(kernels), strict=True)))
    images, labels = planted.signals(8, 0, "5-5-5").images, torch.arange(8)
    carriers = [49 * i + 7 * j + k for i in (1, 5) for j in (1, 5) for k in (1, 5)]
    other = images.clone()
    other[..., carriers] = images[labels.roll(1)][..., carriers]
    supernet.eval()
    with torch.no_grad():
        assert torch.equal(supernet(images), supernet(other)) is not sees


def test_a_kernel_larger_than_the_planted_one_sees_no_more_of_the_class() -> None:
    split = planted.signals(4000, 0, "5-5-5")
    means = torch.stack([split.images[split.labels == label].mean(0).flatten() for label in range(8)])
    informative = (means.amax(0) - means.amin(0) > 0.5).nonzero().flatten().tolist()
    assert set(informative) <= {49 * i + 7 * j + k for i in (1, 5) for j in (1, 5) for k in (1, 5)}
    assert len(informative) == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in planted.OPERATION_PLANS if ", no " not in name])
def test_every_method_keeps_clear_of_noise_and_zero(name: str) -> None:
    taken = [row["likeliest"] for seed in (0, 1) for row in planted.find_operations(name, seed)]
    assert sum(each in ("skip", "conv") for each in taken) >= 0.8 * len(taken)


@pytest.mark.slow
@pytest.mark.parametrize("name", planted.KERNEL_PLANS)
@pytest.mark.parametrize("kernels", ["5-5-5", "7-5-3"])
def test_methods_for_sizes_find_the_planted_kernels(name: str, kernels: str) -> None:
    assert [row["likeliest"] for row in planted.find_kernels(kernels, name, 0)] == planted.sizes(kernels)
