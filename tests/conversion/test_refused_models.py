"""What cannot be converted is refused with one sentence that names the module and says what to do."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas

IMAGE = torch.zeros(1, 3, 8, 8)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 1))


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y * 2 if y.mean() > 0 else y


class Inner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x.flatten(1).sum(1) > -1]


class Masking(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(network(), Inner(), nn.Conv2d(2, 4, 1))


class Counting(Deciding):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y + y.argmax(1).nonzero().sum()


class Changing(Deciding):
    def forward(self, x: Tensor) -> Tensor:
        x += 1
        y: Tensor = self.inner(x)
        return y


class Uncopied(nn.Module):
    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("no copies")


def quantised() -> nn.Module:
    return nn.Sequential(torch.ao.nn.quantized.ReLU6(), nn.Conv2d(3, 16, 1))


def endless() -> nn.Module:
    model = network()
    with torch.no_grad():
        model[0].weight[3] = float("nan")
    return model


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "no module": (len, IMAGE, {}, "model is a builtin_function_or_method; give a torch.nn.Module"),
    "values decide": (Deciding(), IMAGE, {}, r"forward of the model reads values of its input \(bool\(\)\)"),
    "values are an index": (
        Masking(),
        IMAGE,
        {},
        r"forward of '1' reads values of its input \(an index that is a mask\)",
    ),
    "values are counted": (Counting(), IMAGE, {}, r"forward of the model reads values of its input \(nonzero\(\)\)"),
    "the input is changed": (Changing(), IMAGE, {}, "the forward of Changing changes its input, .* as in x = x \\+ 1"),
    "compiled": (torch.compile(network()), IMAGE, {}, "the model is compiled; give the module it was made of, before"),
    "wrong example": (
        network(),
        torch.zeros(1, 4, 8, 8),
        {},
        "Sequential cannot be run on the example: '0' raises RuntimeError",
    ),
    "no example": (network(), 3, {}, "example_input is of type int; give a tensor"),
    "script": (torch.jit.trace(network(), IMAGE), IMAGE, {}, "the model is a TorchScript module"),
    "quantised": (quantised(), IMAGE, {}, "'0' is a quantised ReLU6; convert the model before it is quantised"),
    "elastic": (nn.Sequential(nas.nn.Linear(3, 4)), IMAGE, {}, "'0' is an elastic Linear already"),
    "lazy": (nn.Sequential(nn.LazyLinear(3)), IMAGE, {}, "'0' is a LazyLinear that has no size yet"),
    "no copy": (Uncopied(), IMAGE, {}, r"Uncopied cannot be copied \(no copies\)"),
    "no layers": (nn.Sequential(nn.ReLU()), IMAGE, {}, "nothing in Sequential can vary: it has no layer with channels"),
    "one layer": (
        nn.Sequential(nn.Conv2d(3, 16, 1)),
        IMAGE,
        {},
        "nothing in Sequential can vary: '0' is an output of the model",
    ),
    "all excluded": (network(), IMAGE, {"exclude": ["*"]}, r"nothing .* '0' is excluded by '\*'"),
    "none included": (network(), IMAGE, {"include": ["5.*"]}, "nothing .* '0' is not included"),
    "one width": (network(), IMAGE, {"width": [1.0], "kernel": "fixed"}, "'0' has no other width of these shares: 16"),
    "width": (network(), IMAGE, {"width": [0.5, 2]}, "width has the share 2; give numbers above 0 and up to 1"),
    "heads": (network(), IMAGE, {"heads": {"*": [0]}}, "heads has the share 0; give numbers above 0 and up to 1"),
    "kernel": (network(), IMAGE, {"kernel": "grow"}, "kernel is 'grow'; give 'shrink', 'fixed' or sizes"),
    "depth": (network(), IMAGE, {"depth": "all"}, "depth is 'all'; give 'stages' or 'fixed'"),
    "divisor": (network(), IMAGE, {"divisor": 0}, "divisor is 0; give a whole number of channels"),
    "order": (network(), IMAGE, {"order": "l3"}, "order is 'l3'; give one of l1, l2, taylor, activation, or None"),
    "no batches": (network(), IMAGE, {"order": "taylor"}, "order='taylor' needs batches"),
    "a loss that does not fit": (
        network(),
        IMAGE,
        {"order": "taylor", "batches": [(IMAGE, torch.tensor([0]))], "loss": nn.functional.cross_entropy},
        r"order='taylor' needs gradients of the loss, which cannot be computed \(.*\); what the model gives must fit",
    ),
    "endless weights": (endless(), IMAGE, {}, "order='l1' finds channels of '0' whose importance is not finite"),
    "no loss": (network(), IMAGE, {"order": "taylor", "batches": [(IMAGE, None)]}, "order='taylor' needs a loss"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_sentence_says_what_to_do(case: str) -> None:
    model, example, options, sentence = REFUSED[case]
    with pytest.raises(nas.UsageError, match=sentence) as refusal:
        nas.elastic(model, example, **options)
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith(".")
