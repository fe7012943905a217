"""Choices that no module reads: known to the space, followed by what the model reads, gone when extracted."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import Conv2d, Linear
from nas.sharing import BalancedMixture, FewShot, GradientMatching
from nas.supernet import Relaxed
from nas.supernet.relaxations import Softmax

X = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
SIZES = {"image_size": [8, 6]}


def model() -> nn.Module:
    kernel = nas.Choice([3, 5], name="kernel")
    torch.manual_seed(0)
    return nn.Sequential(Conv2d(1, 4, kernel, padding=kernel // 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(4, 2))


def supernet(**arguments: Any) -> nas.Supernet:
    return nas.Supernet(model(), input_shape=(1, 8, 8), extra=SIZES, **arguments).eval()


def test_the_space_knows_them_after_those_of_the_model() -> None:
    space = supernet().space
    assert space.choices == {"kernel": (3, 5), "image_size": (8, 6)} and space.size == 4
    assert dict(space.largest()) == {"kernel": 5, "image_size": 8}
    assert dict(space.smallest()) == {"kernel": 3, "image_size": 6}
    assert space.columns == ["kernel=3", "kernel=5", "image_size=8", "image_size=6"]
    neighbours = [dict(each) for each in space.neighbours(space.architecture({"kernel": 3, "image_size": 8}))]
    assert {"kernel": 3, "image_size": 6} in neighbours and len(neighbours) == 2
    with pytest.raises(UsageError, match=r"architecture gives no value to the active choice 'image_size'"):
        supernet().activate({"kernel": 3})


@pytest.mark.parametrize("architecture", list(supernet().space), ids=str)
def test_the_model_gets_what_its_architecture_reads(architecture: nas.Architecture) -> None:
    ours = supernet()
    ours.activate(architecture)
    network, read = ours.extract(architecture).eval(), ours.reads(X)
    assert read.shape[2:] == (architecture["image_size"],) * 2
    assert torch.equal(ours(X), network(read)) and torch.equal(network(read), ours(read))
    assert torch.equal(read, ours.reads(X, architecture)) and torch.equal(read, deepcopy(ours).reads(X))
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in ours.model.named_parameters()]


def test_images_are_resized_unless_the_user_reads() -> None:
    for ours in (nas.Supernet(model(), extra=SIZES), nas.Supernet(model(), extra=SIZES, read=lambda x, values: x)):
        ours.activate({"kernel": 3, "image_size": 6})
        assert ours.extra == {"image_size": (8, 6)} and ours.readers("image_size") == []
        assert ours.architecture["image_size"] == 6
    assert (
        torch.equal(ours.reads(X), X) and nas.Supernet(model(), extra=SIZES).reads(X, {"image_size": 6}).shape[2] == 6
    )


def test_any_choice_may_be_outside() -> None:
    def louder(x: Tensor, values: Mapping[str, Any]) -> Tensor:
        return x * values["gain"]

    ours = nas.Supernet(model(), extra={"gain": nas.Choice([1, 3]), "unread": ["a", "b"]}, read=louder).eval()
    ours.activate({"kernel": 3, "gain": 3, "unread": "b"})
    expected = ours.extract(ours.architecture)(3 * X)
    assert torch.equal(ours(X), expected) and ours.space.size == 8


def test_segments_are_those_of_the_model() -> None:
    ours, plain = supernet(), nas.Supernet(model(), input_shape=(1, 8, 8))
    ours.activate({"kernel": 3, "image_size": 6})
    plain.activate({"kernel": 3})
    assert [key for key, _ in ours.segments()] == [key for key, _ in plain.segments()]


def test_the_order_of_another_supernet_is_taken_over() -> None:
    ours = supernet()
    assert supernet(like=ours.space).space.to_json() == ours.space.to_json()


@pytest.mark.parametrize("sharing", [FewShot, FewShot(["image_size"]), BalancedMixture(2), GradientMatching])
def test_sharing_schemes_divide_by_them(sharing: Any) -> None:
    ours = supernet(sharing=sharing if not isinstance(sharing, type) else sharing())
    for architecture in ours.space:
        ours.activate(architecture)
        assert torch.allclose(ours(X), ours.extract(architecture).eval()(ours.reads(X)))


def test_the_model_is_tried_at_the_largest_size() -> None:
    def flat(side: int) -> nn.Module:
        kernel = nas.Choice([3, 5], name="kernel")
        return nn.Sequential(Conv2d(1, 4, kernel, padding=kernel // 2), nn.Flatten(), Linear(4 * side * side, 2))

    operations = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)}
    tied = nn.Sequential(flat(6), nas.nn.OneOf(operations))
    assert nas.Supernet(tied, input_shape=(1, 8, 8), extra={"image_size": [6]}).space.size == 4
    with pytest.raises(UsageError, match=r"cannot be run on an input of shape \(1, 8, 8\)"):
        nas.Supernet(nn.Sequential(flat(6), nas.nn.OneOf(operations)), input_shape=(1, 8, 8), extra=SIZES)


REFUSED = [
    ({"kernel": [1, 2]}, r"choice 'kernel' outside the model is called as one of the model; give one of them another"),
    ({"image_size": []}, r"a Choice has no candidates"),
    ({"image_size": [6, 6]}, r"lists 6 twice"),
]


@pytest.mark.parametrize(("extra", "sentence"), REFUSED)
def test_what_cannot_be_a_choice_is_refused(extra: dict[str, list[int]], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        nas.Supernet(model(), extra=extra)


def test_gates_cannot_mix_them() -> None:
    ours = supernet()
    relaxed = Relaxed(ours, Softmax(), 0)
    with pytest.raises(UsageError, match=r"soft gates mix .*, but 'image_size' is a choice outside the model"):
        relaxed.follow(relaxed.draw(0, 0.0))
