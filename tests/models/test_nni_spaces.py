"""A model space of NNI becomes a model with our choices: NNI's own network is the one that we extract."""

import copy
import inspect
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.models import from_nni
from nas.setup.spaces import build_space

pytest.importorskip("nni", reason="the extra nas-supernet[nni] is not installed")
import nni
from nni.nas.nn.pytorch import Cell, InputChoice, LayerChoice, ModelSpace, MutableConv2d, MutableDropout, MutableModule
from nni.nas.space import model_context
from nni_spaces import EveryKind, sample_of

HUB: dict[str, dict[str, Any]] = {
    "NasBench201": {"stem_out_channels": 4, "num_modules_per_stack": 1},
    "DARTS": {"width": (4, 8), "num_cells": 4},
    "ProxylessNAS": {},
    "MobileNetV3Space": {},
    "ShuffleNetSpace": {},
    "AutoFormer": {
        "search_embed_dim": (24, 48), "search_num_heads": (2, 3), "search_depth": (2, 3),
        "search_mlp_ratio": (2.0, 3.0), "patch_size": 8,
    },
}  # fmt: skip
"""Arguments of small networks."""


def calibrate(network: nn.Module, inputs: Tensor) -> nn.Module:
    """Statistics of batch norm from the inputs, so that nothing vanishes in many fresh layers."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(inputs)
    return network.eval()


def require_equal(make: Callable[[], ModelSpace], model: nn.Module, seed: int, inputs: Tensor) -> None:
    """That the network that NNI makes of a sample, given our weights in order, gives what the extracted one does."""
    supernet = nas.Supernet(model).eval()
    architecture = supernet.space.sample(seed)
    with model_context(sample_of(make(), architecture)):
        theirs = make()
    ours = supernet.extract(architecture).eval()
    supernet.activate(architecture)
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs), supernet(inputs), rtol=1e-5, atol=1e-5)
        calibrate(ours, inputs)
        theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
        expected = theirs.eval()(inputs)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours(inputs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_every_kind_of_choice_gives_the_networks_that_nni_gives(seed: int) -> None:
    require_equal(EveryKind, from_nni(EveryKind()), seed, torch.randn(2, 3, 8, 8))


def test_choices_have_the_labels_and_candidates_of_nni() -> None:
    space = EveryKind()
    ours = nas.Supernet(from_nni(space)).space.choices
    theirs = set(space.simplify())
    assert set(ours) == theirs
    assert sorted(ours["layer"]) == ["conv", "skip"]
    assert sorted(ours["depth"]) == [1, 2, 3]
    assert sorted(ours["skips"]) == [(0, 1), (0, 2), (1, 2)]


def test_the_network_that_the_space_runs_by_itself_keeps_its_weights() -> None:
    """Candidates of layer choices have the weights of NNI; elastic layers those of the first candidates of all."""
    space = EveryKind().eval()
    supernet = nas.Supernet(from_nni(space)).eval()
    first = {label: mutable.default() for label, mutable in space.simplify().items()}
    values = {label: tuple(value) if isinstance(value, list) else value for label, value in first.items()}
    supernet.activate(supernet.space.architecture(values))
    ours = theirs = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        for part in ("stem", "blocks", "plain", "layer"):
            ours, theirs = getattr(supernet.model, part)(ours), getattr(space, part)(theirs)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_space_itself_is_not_changed() -> None:
    space = EveryKind()
    before = copy.deepcopy(space.state_dict())
    from_nni(space)
    assert isinstance(space.layer, LayerChoice)
    assert all(torch.equal(value, before[name]) for name, value in space.state_dict().items())


@pytest.mark.parametrize("name", ["NasBench201", "AutoFormer"])
def test_spaces_of_the_hub_give_the_networks_that_nni_gives(name: str) -> None:
    require_equal_of_hub(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DARTS", "ProxylessNAS", "MobileNetV3Space", "ShuffleNetSpace"])
def test_large_spaces_of_the_hub_give_the_networks_that_nni_gives(name: str) -> None:
    require_equal_of_hub(name)


def require_equal_of_hub(name: str) -> None:
    from nni.nas.hub import pytorch

    kind = getattr(pytorch, name)
    model = build_space(f"nni:{name.lower()}", {"model_args": HUB[name]}, (3, 32, 32), torch.float32, 10)
    known = inspect.signature(kind._init_wrapped).parameters
    ours = {key: value for key, value in {"num_labels": 10, "img_size": 32}.items() if key in known}
    require_equal(partial(kind, **HUB[name], **ours), model, 0, torch.randn(4, 3, 32, 32))


def test_grey_images_are_given_to_each_channel() -> None:
    model = build_space("nni:NasBench201", {"model_args": HUB["NasBench201"]}, (1, 8, 8), torch.float32, 7)
    supernet = nas.Supernet(model)
    assert supernet.extract(supernet.space.smallest()).eval()(torch.randn(2, 1, 8, 8)).shape == (2, 7)


class OwnMeaning(MutableModule):
    def __init__(self) -> None:
        super().__init__()
        self.add_mutable(nni.choice("own", [1, 2]))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: InputChoice(3, None, label="any"), "takes any number of its candidates ('any')"),
        (lambda: InputChoice(3, 1, reduction="none", label="one"), "inputs cannot be reduced by 'none'"),
        (lambda: MutableDropout(nni.uniform("p", 0, 1)), "has no finite number of candidates"),
        (OwnMeaning, "a OwnMeaning with mutables of its own"),
        (lambda: Cell([nn.Identity()], 2, 1, 1, merge_op="loose_end", label="c"), "use merge_op='all'"),
        (lambda: MutableConv2d(4, 4, 3, padding_mode=nni.choice("mode", ["zeros", "reflect"])), "cannot be elastic"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_its_path(module: Any, message: str) -> None:
    class Space(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module()

    with pytest.raises(UsageError, match=re.escape(message)):
        from_nni(Space())


def build(name: str, shape: tuple[int, ...] = (3, 32, 32), **model_args: Any) -> nn.Module:
    return build_space(name, {"model_args": model_args}, shape, torch.float32, 10)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("nni:NasBench2", {}, "NNI's hub has no space 'NasBench2'; did you mean 'NasBench201'?"),
        (
            "nni:nasbench101",
            {"stem_out_channels": 4, "num_modules_per_stack": 1},
            "module 'features.0' of the NNI space",
        ),
        ("nni:darts", {"num_cells": (4, 5)}, "give num_cells as a number"),
        ("nni:darts", {"num_cells": 4, "dataset": "imagenet"}, "NNI's DARTS tells 1000 classes apart"),
        ("nni:nasbench201", {"stem": 4}, "NNI's NasBench201 has no option 'stem'; known are"),
        ("nni:nasbench201", {"stem_out_channels": -1}, "NNI's NasBench201 cannot be built with"),
        ("nni", {}, "space 'nni' needs a name after it"),
    ],
)
def test_what_the_hub_cannot_give_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        build(name, **arguments)


def test_data_that_the_hub_cannot_read_are_refused() -> None:
    with pytest.raises(UsageError, match="reads images of three channels"):
        build("nni:nasbench201", (2, 8, 8))


def test_without_nni_the_space_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nni", None)
    with pytest.raises(
        UsageError, match=re.escape("needs nni, which is not installed; pip install 'nas-supernet[nni]'")
    ):
        build("nni:nasbench201")
