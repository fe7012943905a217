"""Our sharing schemes keep to what every scheme must do, and train as they should."""

import math
import pathlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.nn.channel_ranges import Region, select, write
from nas.sampling import Fair, Sandwich, Uniform
from nas.sharing import (
    AttentionAtoms,
    BalancedMixture,
    DenseParent,
    FewShot,
    GradientMatching,
    HashedBank,
    KernelTransforms,
    OneBank,
    RelaxedTied,
    RoutedExperts,
    Shared,
    Sharing,
    Tied,
)
from nas.testing import SharingSuite
from nas.training import Context, CrossEntropy, Path, PathSampler, Phase, Recipe, SupernetStep, train
from nas.training.checkpoint import load_checkpoint, restore
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet

INPUT = (1, 8, 8)
CLASSES = 10

SPACES: dict[str, Callable[[], nn.Module]] = {
    "chain": lambda: chain(INPUT, CLASSES, layers=(1, 3), width=2, head=4),
    "mobilenet": lambda: mobilenet(
        INPUT, CLASSES, widths=(4,), strides=(2,), depths=(1, 2, 3), kernels=(3, 5), expansions=(1, 2), stem=4, head=4
    ),
}


class Alternating(OneBank):
    """Architectures see one of three banks, by their number of active choices and the length of their name."""

    name = "alternating"

    def bank_of(self, architecture: nas.Architecture) -> int:
        return len(architecture.key) % self.models


SCHEMES: dict[str, Callable[[], Sharing]] = {
    "shared": Shared,
    "one bank": lambda: Alternating(3),
    "tied": Tied,
    "hashed bank": lambda: HashedBank(0.4, block=4),
    "atoms": lambda: AttentionAtoms([1, 2], only="*"),
    "relaxed tying": lambda: RelaxedTied(1, (0, 2, 3)),
    "dense parent": DenseParent,
    "balanced mixture": lambda: BalancedMixture(3),
    "routed experts": lambda: RoutedExperts(2, only="*"),
    "kernel transforms": KernelTransforms,
}

ALONE: dict[str, Callable[[], Sharing]] = {
    "one bank": lambda: Alternating(1),
    "balanced mixture": lambda: BalancedMixture(1),
    "few-shot": FewShot,
    "gradient matching": lambda: GradientMatching(groups=1),
    "routed experts": lambda: RoutedExperts(1, only="*"),
}
"""Schemes that share everything."""

CASES = [(space, scheme) for space in SPACES for scheme in SCHEMES]


@torch.no_grad()
def supernet_of(space: str, sharing: Sharing, seed: int = 0) -> nas.Supernet:
    """Every parameter and statistic of every bank has a value of its own."""
    torch.manual_seed(seed)
    supernet = nas.Supernet(SPACES[space](), sharing)
    for name, tensor in supernet.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and "_extra_state" not in name:
            tensor.add_(0.1 * torch.randn_like(tensor))
    return supernet


def images(batch: int = 6) -> Tensor:
    return torch.randn(batch, *INPUT, generator=torch.Generator().manual_seed(1))


def some(supernet: nas.Supernet) -> list[nas.Architecture]:
    return [supernet.space.smallest(), supernet.space.largest(), *(supernet.space.sample(seed) for seed in range(3))]


class TestEveryScheme(SharingSuite):
    @pytest.fixture(autouse=True, params=CASES, ids="-".join)
    def scheme(self, request: pytest.FixtureRequest) -> None:
        space, scheme = request.param
        self.model, self.make = SPACES[space], SCHEMES[scheme]


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_a_forward_pass_leaves_every_module_with_its_own_tensors(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]())
    before = {name: id(tensor) for name, tensor in supernet.model.named_parameters()}
    for architecture in some(supernet):
        supernet.activate(architecture)
        supernet(images())
        with pytest.raises(RuntimeError):
            supernet(torch.zeros(1, 7, 8, 8))
    assert {name: id(tensor) for name, tensor in supernet.model.named_parameters()} == before


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("scheme", ALONE)
def test_one_bank_trains_as_plain_sharing_does_bit_for_bit(space: str, scheme: str) -> None:
    def trained(sharing: Sharing) -> dict[str, Tensor]:
        torch.manual_seed(0)
        supernet = nas.Supernet(SPACES[space](), sharing)
        step = SupernetStep(supernet, Uniform(supernet.space, seed=0), [CrossEntropy()])
        train(step, nas.data.load("digits", limit=64).train, Recipe(epochs=2, batch_size=16), seed=0)
        return supernet.model.state_dict()

    plain, banked = trained(Shared()), trained(ALONE[scheme]())
    assert all(torch.equal(value, banked[name]) for name, value in plain.items())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_checkpoint_brings_everything_back(scheme: str, tmp_path: pathlib.Path) -> None:
    data, file = nas.data.load("digits", limit=64).train, tmp_path / "one.safetensors"
    supernet = supernet_of("mobilenet", SCHEMES[scheme]())
    step = SupernetStep(supernet, Uniform(supernet.space, seed=0, paths=2), [CrossEntropy()])
    train(step, data, Recipe(epochs=1, batch_size=16), seed=0, checkpoint=file)
    other = supernet_of("mobilenet", SCHEMES[scheme](), seed=5)
    restore(load_checkpoint(file)[0], other)
    own, theirs = supernet.state_dict(), other.state_dict()
    assert list(own) == list(theirs)
    assert all(torch.equal(value, theirs[name]) for name, value in own.items())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sampler", [Uniform, Fair, Sandwich])
def test_every_path_sampler_trains_what_the_scheme_lets_it_see(
    scheme: str, sampler: Callable[[nas.Space, int], PathSampler]
) -> None:
    supernet = supernet_of("chain", SCHEMES[scheme]())
    step = SupernetStep(supernet, sampler(supernet.space, 0), [CrossEntropy()])
    before = {name: each.detach().clone() for name, each in supernet.named_parameters()}
    history = train(step, nas.data.load("digits", limit=64).train, Recipe(epochs=1, batch_size=32), seed=0)
    assert math.isfinite(history[0]["loss"])
    assert any(not torch.equal(each, before[name]) for name, each in supernet.named_parameters())


def test_a_masked_step_leaves_the_rest_of_a_bank_alone() -> None:
    supernet = supernet_of("mobilenet", Alternating(2))
    smallest = Path(supernet.space.smallest(), "random", bank=1)

    class Always:
        def draw(self, context: Context) -> list[Path]:
            return [smallest]

    before = {name: each.detach().clone() for name, each in supernet.named_parameters()}
    step = SupernetStep(supernet, Always(), [CrossEntropy()])
    data = nas.data.load("digits", limit=64).train
    train(step, data, Recipe(epochs=2, batch_size=32, masked=True, weight_decay=0.1), seed=0)
    supernet.activate(smallest.architecture, bank=1)
    used: dict[nn.Parameter, list[Region]] = {}
    for parameter, region in supernet.active_regions():
        used.setdefault(parameter, []).append(region)
    moved = 0
    for name, parameter in supernet.named_parameters():
        changed = parameter.detach() != before[name]
        for region in used.get(parameter, []):
            moved += int(select(changed, region).sum())
            write(changed, region, torch.zeros_like(select(changed, region)))
        assert not changed.any()
    assert moved


def test_a_path_may_name_the_bank_that_it_trains() -> None:
    supernet = supernet_of("chain", Alternating(3))
    architecture = supernet.space.smallest()

    class Second:
        def draw(self, context: Context) -> list[Path]:
            return [Path(architecture, "random", bank=2)]

    step = SupernetStep(supernet, Second(), [CrossEntropy()])
    phase = Phase(step, nas.data.load("digits", limit=64).train, Recipe())
    phase.take(Context(0, images(), torch.zeros(6, dtype=torch.long)), Tensor.backward)
    assert supernet.bank == 2
    trained = {name for name, each in supernet.named_parameters() if each.grad is not None}
    assert trained
    assert all(name.startswith("sharing.copies.1.") for name in trained)
    assert step.record()["paths_by_bank"] == [0, 0, 1]


def test_a_bank_that_does_not_exist_is_refused() -> None:
    with pytest.raises(nas.UsageError, match="bank 3 does not exist; there are 3"):
        supernet_of("chain", Alternating(3)).activate(supernet_of("chain", Shared()).space.smallest(), bank=3)
    with pytest.raises(nas.UsageError, match="Shared"):
        supernet_of("chain", Shared()).activate(supernet_of("chain", Shared()).space.smallest(), bank=0)
    with pytest.raises(nas.UsageError, match="models=0"):
        Alternating(0)


def test_soft_gates_are_refused_where_weights_depend_on_the_architecture() -> None:
    supernet = supernet_of("chain", Alternating(3))
    gates = {name: torch.ones(len(options)) for name, options in supernet.options.items()}
    with pytest.raises(nas.UsageError, match="soft gates follow no single architecture"):
        supernet.mix(gates)


def test_banks_keep_their_own_batch_norm_statistics() -> None:
    supernet = supernet_of("chain", Alternating(2)).train()
    architecture = supernet.space.largest()
    before = {name: tensor.clone() for name, tensor in supernet.model.named_buffers()}
    supernet.activate(architecture, bank=1)
    supernet(images())
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.model.named_buffers())
    supernet.activate(architecture, bank=0)
    supernet(images())
    assert any(not torch.equal(tensor, before[name]) for name, tensor in supernet.model.named_buffers())
