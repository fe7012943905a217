"""Zero-cost proxies are the published formulas, and evaluate architectures in a run."""

import itertools
import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.evaluation.zero_cost import PROXIES, Probe, ZeroCost
from nas.problem import Problem
from nas.setup.config import RunConfig
from nas.setup.trust import reached
from nas.tasks import CrossEntropy
from search_spaces.nasbench201 import nasbench201


def probe(inputs: Tensor, classes: int = 3, batches: int = 2) -> Probe:
    targets = torch.arange(len(inputs)) % classes
    given = [(inputs + index, targets) for index in range(batches)]
    return Probe(given, CrossEntropy(), {"params": 7.0, "flops": 9.0}, seed=3)


def mlp(*widths: int, bias: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [[nn.Linear(a, b, bias=bias), nn.ReLU()] for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*[each for layer in layers for each in layer][:-1])


def test_synaptic_flow_is_the_same_in_each_layer() -> None:
    """So the sum is the number of layers times the flow of ones through absolute weights."""
    network = mlp(5, 4, 4, 3)
    flow = torch.ones(5, dtype=torch.float64)
    for layer in network[::2]:
        flow = layer.weight.detach().double().abs() @ flow
    expected = math.log(3 * float(flow.sum()))
    assert PROXIES["synflow"](network, probe(torch.randn(4, 5))) == pytest.approx(expected)


def test_gradient_proxies_are_what_autograd_gives() -> None:
    given = probe(torch.randn(6, 5))
    network = mlp(5, 4, 3)
    weights = [network[0].weight, network[2].weight]
    gradients = torch.autograd.grad(given.loss(network), weights, create_graph=True)
    half = sum((each**2).sum() for each in gradients) / 2
    products = torch.autograd.grad(half, weights)
    assert PROXIES["grad-norm"](network, given) == pytest.approx(sum(float(each.norm()) for each in gradients))
    snip = sum(float((w * g).abs().sum()) for w, g in zip(weights, gradients, strict=True))
    assert PROXIES["snip"](network, given) == pytest.approx(snip)
    grasp = -sum(float((w * h).sum()) for w, h in zip(weights, products, strict=True))
    assert PROXIES["grasp"](network, given) == pytest.approx(grasp, rel=1e-4)


def test_naswot_counts_units_in_the_same_state() -> None:
    network, inputs = nn.Sequential(nn.ReLU()), torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0]])
    agreements = torch.tensor([[3.0, 2.0], [2.0, 3.0]])
    assert PROXIES["naswot"](network, probe(inputs)) == pytest.approx(float(torch.logdet(agreements)))
    twice = PROXIES["naswot"](nn.Sequential(nn.ReLU()), probe(inputs[:1].repeat(2, 1)))
    assert not math.isfinite(twice) or twice < -30


def test_jacobian_covariance_is_high_where_examples_differ() -> None:
    class Product(nn.Module):
        """Its gradient by an example is a row of its own, or the same row for all."""

        def __init__(self, rows: Tensor) -> None:
            super().__init__()
            self.rows = rows

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.rows).sum(1, keepdim=True)

    torch.manual_seed(0)
    given = probe(torch.randn(16, 4000))
    assert PROXIES["jacob-cov"](Product(torch.randn(16, 4000)), given) == pytest.approx(-16, abs=0.2)
    assert PROXIES["jacob-cov"](Product(torch.randn(1, 4000).expand(16, -1)), given) < -1e5
    assert math.isnan(PROXIES["jacob-cov"](Product(torch.zeros(16, 4000)), given))


def test_zico_of_two_batches_is_twice_the_mean_over_the_difference() -> None:
    network, given = mlp(5, 3), probe(torch.randn(6, 5))
    (first,), (second,) = given.gradients(network, 0), given.gradients(network, 1)
    expected = math.log(float(((first.abs() + second.abs()) / (first - second).abs()).sum()))
    assert PROXIES["zico"](network, given) == pytest.approx(expected, rel=1e-3)


def test_zen_takes_out_what_batch_norm_scales() -> None:
    """Without batch norm it grows by the logarithm of a factor; with it the factor is counted once all the same."""

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 4 * x

    def network(*middle: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), *middle, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    given = probe(torch.randn(8, 3, 6, 6))
    plain, scaled = (PROXIES["zen"](network(*middle).train(), given) for middle in ([], [Scaled()]))
    assert scaled - plain == pytest.approx(math.log(4), rel=1e-4)
    normalised = PROXIES["zen"](network(Scaled(), nn.BatchNorm2d(4)).train(), given)
    assert normalised == pytest.approx(scaled, abs=0.05)


def test_length_distortion_of_a_linear_map_and_of_scaled_weights() -> None:
    given = probe(torch.randn(2, 5))
    length = PROXIES["length-distortion"](nn.Sequential(nn.Identity()), given)
    assert length == pytest.approx(64, rel=1e-5)
    network = mlp(5, 4, 3)
    before = PROXIES["length-distortion"](network, given)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    assert PROXIES["length-distortion"](network, given) == pytest.approx(9 * before, rel=1e-4)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(nas.Supernet(nasbench201((1, 8, 8), 10, width=4)), nas.data.load("digits"))


@pytest.mark.parametrize("proxy", list(PROXIES))
def test_every_proxy_scores_the_networks_of_a_space_the_same_each_time(proxy: str, problem: Problem) -> None:
    evaluator = ZeroCost(problem, proxy, images=16)
    architectures = [problem.space.sample(0), problem.space.largest()]
    first, again = (evaluator(architectures)["proxy"].tolist() for _ in range(2))
    assert first == again
    assert first[0] != first[1]


def test_sizes_are_those_of_the_delivered_networks(problem: Problem) -> None:
    architecture = problem.space.largest()
    assert ZeroCost(problem, "params", images=4).score(architecture) == problem.costs(architecture)["params"]


def test_what_has_no_finite_value_cannot_be_used(problem: Problem) -> None:
    empty = problem.space.architecture(dict.fromkeys(problem.space.choices, "none"))
    assert math.isnan(ZeroCost(problem, "jacob-cov", images=4).score(empty))
    assert math.isnan(ZeroCost(problem, "synflow", images=4).score(empty))


def test_a_mean_over_initialisations(problem: Problem) -> None:
    architecture = problem.space.largest()
    one, three = (ZeroCost(problem, "snip", images=8, repeats=repeats).score(architecture) for repeats in (1, 3))
    assert one != three


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proxy": "sinflow"}, "proxy 'sinflow' is not known; did you mean 'synflow'?"),
        ({"images": 1}, "evaluator 'zero-cost' has images 1; give 2 or more."),
        ({"proxy": "zico", "batches": 1}, "proxy 'zico' compares gradients between batches, but batches is 1"),
        ({"repeats": 0}, "has repeats 0"),
    ],
)
def test_what_no_proxy_can_do_is_refused(options: dict[str, Any], message: str, problem: Problem) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        ZeroCost(problem, **options)


@pytest.mark.parametrize("proxy", ["naswot", "zen"])
def test_a_network_without_what_a_proxy_reads_is_told(proxy: str) -> None:
    with pytest.raises(UsageError, match=f"proxy '{proxy}' reads"):
        PROXIES[proxy](mlp(5, 3), probe(torch.randn(4, 5)))


def test_a_proxy_of_ones_own_is_code_that_only_its_user_may_name() -> None:
    config = RunConfig(space="chain", evaluator="zero-cost", evaluator_args={"proxy": "mine:score"})
    assert reached(config) == {"evaluator_args.proxy": "mine:score"}
    assert not reached(config.model_copy(update={"evaluator_args": {"proxy": "synflow"}}))
