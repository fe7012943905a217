"""Weights mixed from experts by the architecture: what mixture-of-supernets promises."""

import copy
import math
from collections.abc import Callable
from itertools import combinations
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nas
from nas.costs import StaticCosts, parameters
from nas.costs.tracing import meta_copy
from nas.evaluation import Trie
from nas.sampling import Sandwich
from nas.sharing import RoutedExperts, Shared, Sharing
from nas.sharing.bank import Bank
from nas.sharing.embedding import ArchitectureEmbedding
from nas.space import Architecture, Choice, Space
from nas.training import Context, CrossEntropy, InPlaceDistillation, LossTerm, Recipe, Routing, SupernetStep
from search_spaces.mobilenet import mobilenet
from search_spaces.transformer_lm import transformer_lm

LENGTH, TOKENS = 8, 7
EXPAND = "layers.0.feed_forward.expand"

either_routing = pytest.mark.parametrize("neuron_wise", [False, True], ids=["layer-wise", "neuron-wise"])


def decoder() -> nn.Module:
    return transformer_lm((LENGTH,), TOKENS, widths=(8, 12), depths=(1, 2), heads=(1, 2), head_dim=4, ratios=(1, 2))


def supernet_of(sharing: Sharing | None = None, model: Callable[[], nn.Module] = decoder) -> nas.Supernet:
    torch.manual_seed(0)
    return nas.Supernet(model(), sharing)


def texts(batch: int = 4, seed: int = 0) -> Tensor:
    return torch.randint(TOKENS, (batch, LENGTH), generator=torch.Generator().manual_seed(seed))


def some(space: Space, count: int = 6) -> list[Architecture]:
    return [space.smallest(), space.largest(), *(space.sample(seed) for seed in range(count))]


def scheme_of(supernet: nas.Supernet) -> RoutedExperts:
    assert isinstance(supernet.sharing, RoutedExperts)
    return supernet.sharing


def routers_of(supernet: nas.Supernet) -> dict[str, nn.Sequential]:
    return cast(dict[str, nn.Sequential], dict(scheme_of(supernet).routers.items()))


def experts_of(supernet: nas.Supernet, name: str) -> list[Tensor]:
    return [supernet.model.get_parameter(name), *(cast(Bank, bank)[name] for bank in scheme_of(supernet).copies)]


@torch.no_grad()
def route(supernet: nas.Supernet, logits: Tensor) -> None:
    """Makes every router answer the same logits ``[experts]`` in each row."""
    for router in routers_of(supernet).values():
        last = cast(nn.Linear, router[-1])
        last.weight.zero_()
        last.bias.copy_(logits.repeat(len(last.bias) // len(logits)))


def train_a_little(supernet: nas.Supernet, steps: int = 3) -> None:
    objective: list[LossTerm] = [CrossEntropy(roles=("largest",)), InPlaceDistillation()]
    step = SupernetStep(supernet, Sandwich(supernet.space, seed=0, random=1), objective)
    optimizer = torch.optim.AdamW(supernet.parameters(), 0.01)
    for number in range(steps):
        optimizer.zero_grad()
        context = Context(number, texts(seed=number), texts(seed=number + 100))
        step.before_step(context)
        step(context, Tensor.backward)
        optimizer.step()


@either_routing
def test_identical_experts_are_a_plain_slice(neuron_wise: bool) -> None:
    routed, plain = supernet_of(RoutedExperts(3, noise=0, neuron_wise=neuron_wise)), supernet_of()
    for architecture in some(plain.space):
        routed.activate(architecture)
        plain.activate(architecture)
        torch.testing.assert_close(routed(texts()), plain(texts()), rtol=1e-5, atol=1e-6)


@either_routing
def test_one_expert_trains_as_plain_sharing_does_bit_for_bit(neuron_wise: bool) -> None:
    routed, plain = supernet_of(RoutedExperts(1, neuron_wise=neuron_wise)), supernet_of(Shared())
    assert list(routed.sharing.parameters()) == []
    train_a_little(routed)
    train_a_little(plain)
    own, other = plain.model.state_dict(), routed.model.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in own.items())


def test_equal_coefficients_of_all_neurons_are_layer_wise_routing() -> None:
    layer, neuron = (supernet_of(RoutedExperts(3, noise=1, neuron_wise=each)) for each in (False, True))
    for supernet in (layer, neuron):
        route(supernet, torch.tensor([0.3, -1.0, 2.0]))
    for architecture in some(layer.space):
        layer.activate(architecture)
        neuron.activate(architecture)
        assert torch.equal(layer(texts()), neuron(texts()))


def test_the_first_rows_of_a_router_are_those_of_the_first_neurons() -> None:
    supernet = supernet_of(RoutedExperts(3, noise=1, neuron_wise=True))
    architecture = supernet.space.complete({**supernet.space.largest(), "width": 8, "layers.0.ratio": 1})
    first, _, last = cast(list[nn.Linear], routers_of(supernet)["/layers/0/feed_forward/expand"])
    numbers = torch.tensor(ArchitectureEmbedding(supernet.space)(architecture))
    sliced = first(numbers).relu() @ last.weight[: 8 * 3].T + last.bias[: 8 * 3]
    mixed = torch.einsum(
        "de,edi->di",
        sliced.view(8, 3).softmax(-1),
        torch.stack([each[:8, :8] for each in experts_of(supernet, f"{EXPAND}.weight")]),
    )
    torch.testing.assert_close(supernet.extract(architecture).get_parameter(f"{EXPAND}.weight"), mixed)


@either_routing
def test_the_extracted_network_is_the_routed_one(neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(2, noise=1, neuron_wise=neuron_wise))
    train_a_little(supernet)
    for architecture in some(supernet.space):
        network = supernet.extract(architecture)
        supernet.activate(architecture)
        torch.testing.assert_close(network(texts()), supernet(texts()), rtol=1e-5, atol=1e-5)
        assert not any(type(module).__module__.startswith("nas.") for module in network.modules())


@either_routing
def test_the_gradient_of_the_extracted_weight_is_split_among_the_experts(neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(2, noise=1, neuron_wise=neuron_wise))
    architecture = supernet.space.largest()
    network = supernet.extract(architecture)
    for each in (supernet, network):
        each(texts()).square().mean().backward()
    grad = network.get_parameter(f"{EXPAND}.weight").grad
    assert grad is not None
    split = [expert.grad for expert in experts_of(supernet, f"{EXPAND}.weight")]
    torch.testing.assert_close(sum(split), grad)
    path = EXPAND if neuron_wise else "layers.0.feed_forward"
    gates = scheme_of(supernet).gates(architecture)[path]
    torch.testing.assert_close(split[1], gates[:, 1:] * grad)


@either_routing
def test_gradients_reach_every_router_and_every_expert(neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(3, neuron_wise=neuron_wise))
    supernet(texts()).square().mean().backward()
    assert all(each.grad is not None and bool(each.grad.any()) for each in supernet.sharing.parameters())
    assert len(routers_of(supernet)) == (4 if neuron_wise else 2)


def test_only_layers_that_match_have_experts() -> None:
    supernet = supernet_of(RoutedExperts(2, only="*.project"))
    [bank] = scheme_of(supernet).copies
    names = [f"layers.{layer}.feed_forward.project.{name}" for layer in (0, 1) for name in ("weight", "bias")]
    assert [tuple(each.shape) for each in bank.parameters()] == [
        tuple(supernet.model.get_parameter(name).shape) for name in names
    ]


def test_routers_run_once_a_pass_whatever_the_input() -> None:
    supernet = supernet_of(RoutedExperts(2))
    seen: list[Tensor] = []
    for router in routers_of(supernet).values():
        router.register_forward_hook(lambda module, inputs, output: seen.append(output))
    supernet(texts(1, seed=1))
    supernet(texts(16, seed=2))
    assert len(seen) == 2 * 2
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


@either_routing
@pytest.mark.parametrize("expert", [0, 1, 2])
def test_one_hot_routing_is_the_expert(expert: int, neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(3, noise=1, neuron_wise=neuron_wise))
    route(supernet, torch.eye(3)[expert] * 1e4)
    _expect_weights(supernet, lambda experts: experts[expert], rtol=0, atol=0)


@either_routing
def test_uniform_routing_is_the_mean(neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(3, noise=1, neuron_wise=neuron_wise))
    route(supernet, torch.zeros(3))
    _expect_weights(supernet, lambda experts: torch.stack(experts).mean(0), rtol=1e-5, atol=1e-6)


def _expect_weights(
    supernet: nas.Supernet, expected: Callable[[list[Tensor]], Tensor], rtol: float, atol: float
) -> None:
    plain = nas.Supernet(copy.deepcopy(supernet.model))
    with torch.no_grad():
        for name, parameter in plain.model.named_parameters():
            if ".feed_forward." in name:
                parameter.copy_(expected(experts_of(supernet, name)))
    for architecture in some(supernet.space):
        supernet.activate(architecture)
        plain.activate(architecture)
        torch.testing.assert_close(supernet(texts()), plain(texts()), rtol=rtol, atol=atol)


def test_experts_begin_alike_so_that_their_mixture_varies_as_the_model_does() -> None:
    supernet = supernet_of(RoutedExperts(4, noise=0.1))
    own, *others = (each.detach() for each in experts_of(supernet, f"{EXPAND}.weight"))
    for other in others:
        assert 0.08 < float((other - own).std() / own.std()) < 0.12
    with supernet.weights():
        mixed = supernet.model.get_submodule(EXPAND).weight
    assert isinstance(mixed, Tensor)
    assert 0.97 < float(mixed.detach().std() / own.std()) < 1.03
    for gates in scheme_of(supernet).gates(supernet.space.largest()).values():
        torch.testing.assert_close(gates.sum(-1), torch.ones(1))


def test_a_scheme_draws_from_a_seed_of_its_own() -> None:
    draws = []
    for sharing in (Shared(), RoutedExperts(2, seed=1), RoutedExperts(2, seed=1), RoutedExperts(2, seed=2)):
        state = [*supernet_of(sharing).sharing.state_dict().values()]
        draws.append((torch.rand(1), state))
    assert all(torch.equal(after, draws[0][0]) for after, _ in draws)
    assert all(torch.equal(a, b) for a, b in zip(draws[1][1], draws[2][1], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(draws[1][1], draws[3][1], strict=True) if a.dim() > 1)
    torch.manual_seed(0)
    model = decoder()
    torch.manual_seed(9)
    elsewhere = [*nas.Supernet(model, RoutedExperts(2, seed=1)).sharing.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(draws[1][1], elsewhere, strict=True)), "whatever was drawn before"


@either_routing
def test_the_state_brings_experts_and_routers_back(neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(2, neuron_wise=neuron_wise))
    train_a_little(supernet)
    other = supernet_of(RoutedExperts(2, neuron_wise=neuron_wise, seed=5))
    other.load_state_dict(supernet.state_dict())
    for architecture in some(supernet.space):
        supernet.activate(architecture)
        other.activate(architecture)
        assert torch.equal(supernet(texts()), other(texts()))


def test_a_copy_has_experts_of_its_own() -> None:
    supernet = supernet_of(RoutedExperts(2))
    twin = copy.deepcopy(supernet)
    before = supernet(texts())
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(supernet(texts()), before)
    assert not bool(twin(texts()).any())


def test_costs_are_those_of_one_network() -> None:
    supernet, plain = supernet_of(RoutedExperts(3)), supernet_of()
    routed, shared = (StaticCosts(each, (LENGTH,), torch.int64) for each in (supernet, plain))
    for architecture in some(supernet.space):
        assert routed(architecture) == shared(architecture)
        assert routed(architecture)["params"] == parameters(supernet.extract(architecture))


def test_a_weightless_copy_mixes_nothing_so_that_costs_of_blocks_are_found_once() -> None:
    supernet = supernet_of(RoutedExperts(3))
    weightless, largest = meta_copy(supernet), supernet.space.largest()
    assert weightless(texts().to("meta")).shape == (4, TOKENS, LENGTH)
    assert supernet.sharing.key(largest, None, "layers.0") is not None
    assert weightless.sharing.key(largest, None, "layers.0") is None
    assert weightless.sharing.weights(largest, None) == ()


@either_routing
def test_a_trie_gives_each_what_it_gives_alone_bit_for_bit(neuron_wise: bool) -> None:
    supernet = supernet_of(RoutedExperts(2, noise=1, neuron_wise=neuron_wise)).eval()
    population = list(dict.fromkeys(some(supernet.space, 12)))
    together = Trie(supernet, population)
    for architecture, output in zip(population, together.outputs(texts()), strict=True):
        [alone] = Trie(supernet, [architecture]).outputs(texts())
        assert torch.equal(output, alone)
        torch.testing.assert_close(output, supernet.extract(architecture)(texts()), rtol=1e-5, atol=1e-5)


def test_blocks_without_experts_are_still_shared() -> None:
    supernet = supernet_of(RoutedExperts(2))
    largest = supernet.space.largest()
    other = supernet.space.complete({**largest, "layers.1.ratio": 1})
    assert supernet.sharing.key(largest, None, "embedding") is None
    assert supernet.sharing.key(largest, None, "layers.0") != supernet.sharing.key(other, None, "layers.0")
    trie = Trie(supernet, [largest, other])
    assert (trie.blocks, trie.blocks_alone) == (7, 8)


def test_routers_that_are_told_nothing_give_all_the_same_weights() -> None:
    supernet = supernet_of(RoutedExperts(2, noise=1, embedding=lambda architecture: (0.5,)))
    smallest, largest = supernet.space.smallest(), supernet.space.largest()
    first, second = scheme_of(supernet).gates(smallest), scheme_of(supernet).gates(largest)
    assert all(torch.equal(gates, second[name]) for name, gates in first.items())
    assert supernet.sharing.key(smallest, None, "layers.0") == supernet.sharing.key(largest, None, "layers.0")


def test_convolutions_and_their_norms_may_have_experts() -> None:
    supernet = supernet_of(
        RoutedExperts(2, only="*", noise=1, neuron_wise=True),
        lambda: mobilenet((1, 8, 8), 3, widths=(8,), strides=(1,), depths=(1, 2), kernels=(3, 5), stem=4, head=8),
    ).eval()
    x = torch.randn(2, 1, 8, 8)
    for architecture in some(supernet.space, 3):
        supernet.activate(architecture)
        torch.testing.assert_close(supernet.extract(architecture)(x), supernet(x), rtol=1e-4, atol=1e-5)
    assert len(list(scheme_of(supernet).copies[0].parameters())) == len(list(supernet.model.parameters()))


def test_a_weight_that_two_layers_hold_stays_one() -> None:
    def tied() -> nn.Module:
        width = Choice([4, 6], name="width")
        model = nn.Sequential(nas.nn.Linear(6, width), nn.Linear(3, 6), nn.Sequential(nn.Linear(3, 6)))
        model[2][0].weight = model[1].weight  # type: ignore[index]
        return model

    supernet = supernet_of(RoutedExperts(2, only="1", noise=1), tied)
    with supernet.weights():
        first, second = (supernet.model.get_submodule(path).weight for path in ("1", "2.0"))
        assert first is second
    with supernet.weights("2"):
        assert torch.equal(supernet.model.get_submodule("2.0").weight, first)  # type: ignore[arg-type]


def test_a_scheme_says_what_it_holds() -> None:
    supernet = supernet_of(RoutedExperts(2))
    described = supernet.sharing.describe()
    assert (described["scheme"], described["banks"]) == ("routed-experts", 2)
    assert described["layers"] == [
        f"layers.{layer}.feed_forward.{name}" for layer in (0, 1) for name in ("expand", "project")
    ]
    assert described["parameters_of_one"] == parameters(supernet.model)


def test_experts_have_weights_of_their_own_unless_they_are_copies_with_noise() -> None:
    distances = [
        scheme_of(supernet_of(RoutedExperts(3, noise=noise))).distance_of_experts() for noise in (0, 0.1, None)
    ]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[1] == pytest.approx(0.1 * math.sqrt(2 / 3), rel=0.1)
    assert distances[2] == pytest.approx(1, abs=0.05)
    first, second, third = (each.detach() for each in experts_of(supernet_of(RoutedExperts(3)), f"{EXPAND}.weight"))
    assert torch.equal(first, supernet_of().model.get_parameter(f"{EXPAND}.weight"))
    for one, other in ((first, second), (first, third), (second, third)):
        assert float(F.cosine_similarity(one.flatten(), other.flatten(), 0).abs()) < 0.3
        assert float(one.std() / other.std()) == pytest.approx(1, abs=0.3)


def test_how_far_gates_and_experts_differ_is_recorded_at_the_end() -> None:
    supernet = supernet_of(RoutedExperts(2))
    routing, recipe = Routing(supernet.space, scheme_of(supernet)), Recipe(epochs=2)

    def recorded() -> dict[str, float]:
        routing.after_step(Context(1, recipe=recipe, recipe_epoch=1))
        found: dict[str, float] = routing.record()["routing"]
        return found

    routing.after_step(Context(0, recipe=recipe))
    assert routing.record() == {}
    route(supernet, torch.tensor([0.0, 0.0]))
    assert recorded()["gates"] == 0
    width = list(supernet.space.choices).index("width")
    with torch.no_grad():  # expert 0 for narrow networks, expert 1 for wide ones
        for router in routers_of(supernet).values():
            first, _, last = cast(list[nn.Linear], router)
            first.weight.zero_()
            first.bias.zero_()
            first.weight[0, width] = 1.0
            last.bias[1] = -50.0
            last.weight[1] = 100.0
    wide = [architecture["width"] == 12 for architecture in routing._architectures]
    pairs = list(combinations(wide, 2))
    assert recorded()["gates"] == pytest.approx(sum(a != b for a, b in pairs) / len(pairs), abs=1e-6)


def test_an_embedding_has_a_number_for_numbers_and_a_place_for_each_other_candidate() -> None:
    model = nn.Sequential(
        nas.nn.Repeat(
            [nas.nn.OneOf({"wide": nas.nn.Linear(3, 3), "none": nn.Identity()}) for _ in range(2)],
            Choice([0, 1, 2], name="depth"),
        ),
        nas.nn.Linear(3, Choice([4, 5, 8], name="width")),
    )
    space = nas.Supernet(model).space
    embed = ArchitectureEmbedding(space)
    numbers = {
        "depth=1": embed(space.complete({"depth": 1, "0.0": "none", "width": 5})),
        "depth=2": embed(space.complete({"depth": 2, "0.0": "none", "0.1": "wide", "width": 8})),
    }
    assert numbers == {"depth=1": (0.5, 0, 1, 0, 0, 0.25), "depth=2": (1, 0, 1, 1, 0, 1)}


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    with pytest.raises(nas.UsageError, match="experts=0; give 1 or more"):
        RoutedExperts(0)
    with pytest.raises(nas.UsageError, match=r"matches only=\['\*.mlp'\]; paths of this model are 'embedding.tokens'"):
        supernet_of(RoutedExperts(2, only="*.mlp"))
    with pytest.raises(nas.UsageError, match=r"'layers.0.attention' cannot have experts for each output"):
        supernet_of(RoutedExperts(2, only="*.attention", neuron_wise=True))
    with pytest.raises(nas.UsageError, match="with RoutedExperts no architecture sees the weights of one bank"):
        supernet = supernet_of(RoutedExperts(2))
        supernet.activate(supernet.space.smallest(), bank=0)


def test_training_makes_the_coefficients_depend_on_the_architecture() -> None:
    supernet = supernet_of(RoutedExperts(2))

    def spread() -> float:
        first, second = (
            scheme_of(supernet).gates(each)["layers.0.feed_forward"]
            for each in (supernet.space.smallest(), supernet.space.largest())
        )
        return float((first - second).detach().abs().max())

    before = spread()
    train_a_little(supernet, steps=20)
    assert not math.isclose(spread(), before, rel_tol=0.05)
