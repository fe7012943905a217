"""What every sharing scheme must do, whatever it shares."""

import math
import pathlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.costs import StaticCosts
from nas.evaluation import Trie
from nas.nn.channels import Region, select, write
from nas.sharing import BalancedMixture, FewShot, GradientMatching, OneBank, RoutedExperts, Shared, Sharing, Tied
from nas.training import (
    Context,
    CrossEntropy,
    Fair,
    Path,
    PathSampler,
    Phase,
    Recipe,
    Sandwich,
    SupernetStep,
    Uniform,
    train,
)
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
    "balanced mixture": lambda: BalancedMixture(3),
    "routed experts": lambda: RoutedExperts(2, only="*"),
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


def some(supernet: nas.Supernet, count: int = 3) -> list[nas.Architecture]:
    return [
        supernet.space.smallest(),
        supernet.space.largest(),
        *(supernet.space.sample(seed) for seed in range(count)),
    ]


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_the_extracted_network_computes_what_the_active_one_does(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]()).eval()
    for architecture in some(supernet):
        supernet.activate(architecture)
        torch.testing.assert_close(supernet.extract(architecture)(images()), supernet(images()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_the_extracted_network_is_plain_and_can_learn(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]())
    network = supernet.extract(supernet.space.largest()).train()
    network(images()).square().sum().backward()
    parameters = list(network.parameters())
    assert parameters
    assert all(parameter.grad is not None for parameter in parameters)
    assert not any(type(module).__module__.startswith("nas.") for module in network.modules())


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_the_gradient_of_what_is_seen_is_that_of_the_extracted_network(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]()).train()
    architecture = supernet.space.sample(3)
    network = supernet.extract(architecture).train()
    supernet.activate(architecture)
    x = images().requires_grad_()
    y = images().requires_grad_()
    supernet(x).square().sum().backward()
    network(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_a_forward_pass_leaves_every_module_with_its_own_tensors(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]())
    before = {name: id(tensor) for name, tensor in supernet.model.named_parameters()}
    for architecture in some(supernet):
        supernet.activate(architecture)
        supernet(images())
    assert {name: id(tensor) for name, tensor in supernet.model.named_parameters()} == before


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_a_failing_forward_pass_leaves_every_module_with_its_own_tensors(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]())
    before = {name: id(tensor) for name, tensor in supernet.model.named_parameters()}
    for architecture in some(supernet):
        supernet.activate(architecture)
        with pytest.raises(RuntimeError):
            supernet(torch.zeros(1, 7, 8, 8))
    assert {name: id(tensor) for name, tensor in supernet.model.named_parameters()} == before


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_a_trie_judges_a_population_as_it_judges_each_alone(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]()).eval()
    population = list(dict.fromkeys(some(supernet)))

    def outputs(architectures: list[nas.Architecture]) -> list[Tensor]:
        trie = Trie(supernet, architectures)
        trie.calibrate([images(), images(5)])
        return trie.outputs(images(3))

    together = outputs(population)
    for architecture, output in zip(population, together, strict=True):
        assert torch.equal(output, outputs([architecture])[0])


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_a_trie_judges_with_the_weights_that_extraction_gives(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]()).eval()
    for architecture in some(supernet, 1):
        network = supernet.extract(architecture)
        trie = Trie(supernet, [architecture])
        trie.calibrate([images()])
        nas.evaluation.recalibrate(network, [images()])
        torch.testing.assert_close(trie.outputs(images(3))[0], network(images(3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_the_state_holds_every_bank_and_who_sees_it(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]()).eval()
    other = supernet_of(space, SCHEMES[scheme](), seed=1).eval()
    other.load_state_dict(supernet.state_dict())
    for architecture in some(supernet):
        supernet.activate(architecture)
        other.activate(architecture)
        assert torch.equal(supernet(images()), other(images()))


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_costs_are_those_of_the_extracted_network(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]())
    costs = StaticCosts(supernet, INPUT)
    for architecture in some(supernet):
        network = supernet.extract(architecture)
        assert costs(architecture)["params"] == sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize(("space", "scheme"), CASES)
def test_what_a_step_does_not_see_stays_as_it_is(space: str, scheme: str) -> None:
    supernet = supernet_of(space, SCHEMES[scheme]())
    optimizer = torch.optim.SGD(supernet.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    everything = dict(supernet.named_parameters())
    for architecture in some(supernet):  # momentum for all that is ever seen
        optimizer.zero_grad()
        supernet.activate(architecture)
        supernet(images()).square().sum().backward()
        optimizer.step()
    optimizer.zero_grad()
    supernet.activate(supernet.space.smallest())
    supernet(images()).square().sum().backward()
    unseen = {name: each.detach().clone() for name, each in everything.items() if each.grad is None}
    optimizer.step()
    assert all(torch.equal(everything[name], before) for name, before in unseen.items())
    assert any(not torch.equal(each, unseen.get(name, torch.zeros(()))) for name, each in everything.items())


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
