"""A space cut into regions, each with weights of its own."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from random_models import Plan, plans
from torch import nn

import nas
from nas.nn import BatchNorm2d, Conv2d, OneOf, Repeat
from nas.sharing import FewShot, GradientMatching, Partition
from nas.sharing.grouping import balanced_partitions, best_grouping, count_partitions, mean_between, partitions
from nas.space import Choice, Condition
from nas.training import load_checkpoint, restore, save_checkpoint


def operations(sharing: Partition, count: int = 4) -> nas.Supernet:
    """Three layers of some convolutions each."""
    torch.manual_seed(0)
    layers = [OneOf([nn.Conv2d(2, 2, 1) for _ in range(count)]) for _ in range(3)]
    return nas.Supernet(nn.Sequential(*layers, BatchNorm2d(2)), sharing)


def deep(sharing: Partition) -> nas.Supernet:
    """Up to two blocks, whose kernels are there only if the block is."""
    torch.manual_seed(0)
    blocks = [Conv2d(2, 2, kernel, padding=kernel // 2) for kernel in (Choice([1, 3], "first"), Choice([1, 3], "last"))]
    return nas.Supernet(nn.Sequential(Repeat(blocks, Choice([0, 1, 2], "depth"))), sharing)


def perturb(supernet: nas.Supernet) -> None:
    """Gives every number of every bank a value of its own."""
    with torch.no_grad():
        for tensor in (*supernet.parameters(), *supernet.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor))


def cut(scheme: Partition, rng: np.random.Generator) -> None:
    """Splits random banks by random choices in random groups, until there are no more banks."""
    for _ in range(20):
        bank = int(rng.integers(scheme.used))
        names = scheme.undecided(bank)
        if not names or scheme.used == scheme.models:
            continue
        name = names[int(rng.integers(len(names)))]
        positions = rng.permutation(scheme.region(bank)[name]).tolist()
        parts = int(rng.integers(2, 1 + min(len(positions), scheme.models - scheme.used + 1)))
        scheme.split(bank, name, [positions[part::parts] for part in range(parts)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.integers(0, 1000))
def test_every_architecture_is_in_the_region_of_one_bank(plan: Plan, seed: int) -> None:
    scheme = Partition(models=5)
    space = nas.Supernet(plan.build(), scheme).space
    cut(scheme, np.random.default_rng(seed))
    for architecture in space:
        (row,) = space.indices([architecture])
        inside = [
            all(
                position < 0 or position in scheme.region(bank)[name]
                for name, position in zip(space.choices, row, strict=True)
            )
            for bank in range(scheme.used)
        ]
        assert inside[scheme.bank_of(architecture)]


@pytest.mark.parametrize("seed", range(5))
def test_regions_are_disjoint_and_cover_the_space(seed: int) -> None:
    """Without conditions a region is all that its candidates can be combined to."""
    scheme = Partition(models=7)
    space = operations(scheme).space
    cut(scheme, np.random.default_rng(seed))
    assert scheme.used == 7
    regions = [
        {each for row in itertools.product(*scheme.region(bank).values()) for each in space.from_indices([row])}
        for bank in range(7)
    ]
    assert sum(map(len, regions)) == space.size == len(set().union(*regions))
    assert all(scheme.bank_of(each) == bank for bank, region in enumerate(regions) for each in region)


def test_the_walk_goes_on_from_the_bank_that_was_reached() -> None:
    scheme = Partition(models=4)
    space = operations(scheme).space
    scheme.split(0, "0", [(0, 1), (2, 3)])
    scheme.split(1, "1", [(3,), (0, 1, 2)])
    scheme.split(0, "0", [(1,), (0,)])
    banks = {row: scheme.bank_of(space.from_indices([(*row, 0)])[0]) for row in itertools.product(range(4), repeat=2)}
    assert banks == {(a, b): {0: 3, 1: 0}.get(a, 1 if b == 3 else 2) for a, b in banks}
    assert scheme.region(2) == {"0": (2, 3), "1": (0, 1, 2), "2": (0, 1, 2, 3)}
    assert scheme.undecided(3) == ["1", "2"] and scheme.undecided(1) == ["0", "2"]


def test_a_new_bank_gets_the_weights_of_the_old_one_bit_for_bit() -> None:
    supernet = operations(scheme := Partition(models=4))
    perturb(supernet)
    before = [{name: tensor.clone() for name, tensor in scheme.tensors(bank).items()} for bank in range(4)]
    scheme.split(0, "1", [(0,), (1, 3), (2,)])
    for bank, source in enumerate((0, 0, 0, 3)):
        assert all(torch.equal(tensor, before[source][name]) for name, tensor in scheme.tensors(bank).items())
    assert any(name.endswith("running_mean") for name in before[0])
    with torch.no_grad():
        scheme.tensors(1)["0.0.weight"].zero_()
    assert torch.equal(scheme.tensors(0)["0.0.weight"], before[0]["0.0.weight"])
    scheme.split(1, "0", [(3,), (0, 1, 2)])
    assert not scheme.tensors(3)["0.0.weight"].any()


def test_architectures_without_the_choice_stay_with_the_first_part() -> None:
    scheme = Partition(models=3)
    space = deep(scheme).space
    scheme.split(0, "last", [(1,), (0,)])
    banks = {(each["depth"], each.get("last")): scheme.bank_of(each) for each in space}
    assert banks == {(0, None): 0, (1, None): 0, (2, 1): 1, (2, 3): 0}
    assert scheme.region(0) == {"depth": (0, 1, 2), "first": (0, 1), "last": (1,)}
    assert scheme.region(1) == {"depth": (2,), "first": (0, 1), "last": (0,)}
    assert scheme.undecided(0) == ["depth", "first"] and scheme.undecided(1) == ["first"]


def test_a_choice_that_is_never_there_is_not_undecided() -> None:
    scheme = Partition(models=3)
    deep(scheme)
    scheme.split(0, "depth", [(2,), (0, 1)])
    assert scheme.undecided(1) == ["depth", "first"]
    with pytest.raises(nas.UsageError, match="cannot be split by 'last', which is inactive in all of its region"):
        scheme.split(1, "last", [(0,), (1,)])


def test_one_group_changes_nothing() -> None:
    supernet = operations(scheme := Partition(models=2))
    perturb(supernet)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    scheme.split(0, "1", [(0, 1, 2, 3)])
    assert scheme.used == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, "1", [(0, 1), (1, 2, 3)]), r"each of the positions \[0, 1, 2, 3\] must be in one of them"),
        ((0, "1", [(0, 1), (2,)]), "must be in one of them"),
        ((0, "1", [(0, 1, 2, 3), ()]), "must be in one of them"),
        ((0, "0", [(0,), (1, 2)]), r"in groups \[\[0\], \[1, 2\]\], but each of the positions \[0, 1\]"),
        ((0, "3", [(0,), (1, 2, 3)]), "bank 0 cannot be split by '3'; known are 0, 1, 2"),
        ((0, "1", [(0,), (1,), (2, 3)]), "takes 4 banks, but Partition has 3; make it with more"),
        ((2, "1", [(0,), (1, 2, 3)]), "bank 2 has no region: banks 0 to 1 have one"),
        ((-1, "1", [(0,), (1, 2, 3)]), "bank -1 has no region"),
    ],
)
def test_a_split_that_cannot_be_is_refused(arguments: Any, words: str) -> None:
    scheme = Partition(models=3)
    operations(scheme)
    scheme.split(0, "0", [(0, 1), (2, 3)])
    with pytest.raises(nas.UsageError, match=words):
        scheme.split(*arguments)
    assert scheme.used == 2


def test_the_state_keeps_how_the_space_was_cut(tmp_path: Path) -> None:
    for make in (operations, deep):
        supernet, other = make(one := Partition(models=4)), make(two := Partition(models=4))
        empty = one.get_extra_state()
        cut(one, np.random.default_rng(3))
        perturb(supernet)
        save_checkpoint(tmp_path / "supernet.safetensors", supernet)
        restore(load_checkpoint(tmp_path / "supernet.safetensors")[0], other)
        assert one.used == 4 and two.divisions == one.divisions
        assert one.get_extra_state().shape == empty.shape and one.get_extra_state().dtype == torch.int64
        assert (empty == -1).all()
        for architecture in supernet.space:
            assert two.bank_of(architecture) == one.bank_of(architecture)
        supernet.load_state_dict(make(Partition(models=4)).state_dict())
        assert one.divisions == []


def test_the_state_of_another_number_of_banks_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        operations(Partition(models=3)).load_state_dict(operations(Partition(models=2)).state_dict())


def test_variants_differ_in_one_choice_and_stay_in_their_region() -> None:
    scheme = Partition(models=4)
    space = deep(scheme).space
    scheme.split(0, "last", [(1,), (0,)])
    scheme.split(0, "depth", [(0, 2), (1,)])
    seen = set()
    for bank in range(scheme.used):
        for name in scheme.undecided(bank):
            for seed in range(20):
                found = scheme.variants(bank, name, np.random.default_rng(seed))
                seen.update(found)
                assert all(scheme.bank_of(each) == bank for each in found)
                assert [space.choices[name].index(each[name]) for each in found] == list(scheme.region(bank)[name])
                shared = set.intersection(*(set(each) for each in found)) - {name}
                assert len({tuple(each[other] for other in sorted(shared)) for each in found}) == 1
    assert seen == {each for each in space if scheme.undecided(scheme.bank_of(each))}


def test_there_are_no_variants_where_choices_cannot_vary_alone() -> None:
    """``extra`` is there where exactly one of the others is 1."""
    one_of_them = Condition(("left", "right"), frozenset({(0, 1), (1, 0)}))
    space = nas.Space({name: [0, 1] for name in ("left", "right", "extra")}, {"extra": [(one_of_them,)]})
    scheme = Partition(models=2)
    scheme.bind(nn.Linear(1, 1), space)
    scheme.split(0, "extra", [(0,), (1,)])
    assert scheme.variants(1, "left", np.random.default_rng(0)) == []
    assert len(scheme.variants(0, "left", np.random.default_rng(0))) == 2


@pytest.mark.parametrize(("count", "groups"), [(1, 1), (2, 2), (4, 2), (5, 2), (6, 3), (7, 3), (5, 4)])
def test_balanced_partitions_are_all_there_once(count: int, groups: int) -> None:
    found = list(balanced_partitions(count, groups))
    sets = {frozenset(map(frozenset, each)) for each in found}
    everything = set()
    for labels in itertools.product(range(groups), repeat=count):
        parts = [frozenset(p for p in range(count) if labels[p] == label) for label in range(groups)]
        sizes = list(map(len, parts))
        if min(sizes) > 0 and max(sizes) - min(sizes) <= 1:
            everything.add(frozenset(parts))
    assert sets == everything
    assert len(found) == len(sets) == count_partitions(count, groups)
    assert all(sorted(group) == list(group) for each in found for group in each)
    assert all([group[0] for group in each] == sorted(group[0] for group in each) for each in found)


@pytest.mark.parametrize(("count", "groups"), [(1, 1), (2, 2), (4, 2), (5, 3), (6, 2), (6, 4)])
def test_partitions_of_any_size_are_all_there_once(count: int, groups: int) -> None:
    found = list(partitions(count, groups))
    everything = {
        frozenset(frozenset(p for p in range(count) if labels[p] == label) for label in set(labels))
        for labels in itertools.product(range(groups), repeat=count)
    }
    assert {frozenset(map(frozenset, each)) for each in found} == {each for each in everything if len(each) == groups}
    assert len(found) == count_partitions(count, groups, "any")
    assert all(sorted(group) == list(group) for each in found for group in each)
    assert all([group[0] for group in each] == sorted(group[0] for group in each) for each in found)


def test_groups_of_any_size_leave_one_alone_where_equal_ones_must_not() -> None:
    alone = matrix((0, 3, 0.9), (1, 3, 0.9), (2, 3, 0.9), rest=0.1)
    assert best_grouping(alone, 2, "any") == ((0, 1, 2), (3,))
    assert {len(group) for group in best_grouping(alone, 2)} == {2}
    scheme = GradientMatching(split_at=[0.5], sizes="any")
    operations(scheme)
    scheme.update(0, {"0": alone})
    assert scheme.divisions[0].banks == (0, 0, 0, 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [4, 5, 8])
def test_a_planted_grouping_is_found(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    planted = rng.permutation(np.arange(count) % 2)
    noise = rng.uniform(0, 0.2, (count, count))
    distances = (planted[:, None] != planted[None]) + noise + noise.T
    np.fill_diagonal(distances, 0)
    grouping = best_grouping(distances, 2)
    assert {frozenset(group) for group in grouping} == {
        frozenset(np.flatnonzero(planted == p).tolist()) for p in (0, 1)
    }
    pairs = [distances[a, b] for a in grouping[0] for b in grouping[1]]
    assert mean_between(distances, grouping) == pytest.approx(np.mean(pairs))


def test_fewer_candidates_than_groups_are_all_apart() -> None:
    assert best_grouping(np.ones((2, 2)) - np.eye(2), 3) == ((0,), (1,))
    assert mean_between(np.ones((3, 3)) - np.eye(3), [(0, 1, 2)]) == 0


def test_few_shot_has_a_bank_for_each_candidate_of_a_choice() -> None:
    scheme = FewShot("0")
    space = operations(scheme).space
    assert scheme.banks == 4 and scheme.used == 1
    scheme.divide()
    assert scheme.used == 4
    assert all(scheme.bank_of(each) == space.choices["0"].index(each["0"]) for each in space)
    scheme.divide()
    assert scheme.used == 4, "there is nothing left to cut"


def test_few_shot_names_the_choice_whose_candidates_are_farthest_apart() -> None:
    scheme = FewShot()
    space = operations(scheme).space
    assert scheme.banks == 4 and scheme.open == ["0", "1", "2"]
    scheme.divide()
    assert scheme.used == 1, "nothing is named yet"
    with pytest.raises(nas.UsageError, match="no choice of which two candidates can be compared; name one"):
        scheme.choose({})
    scheme.choose({"0": matrix(rest=0.2), "1": matrix((0, 1, 1.0), rest=0.2), "2": matrix(rest=0.2)})
    scheme.divide()
    assert scheme.open == [] and [each.choice for each in scheme.divisions] == ["1"]
    assert all(scheme.bank_of(each) == space.choices["1"].index(each["1"]) for each in space)
    state = scheme.get_extra_state()
    operations(other := FewShot())
    other.set_extra_state(state)
    assert other.divisions == scheme.divisions and other.open == []


def test_few_shot_has_a_bank_for_each_combination() -> None:
    scheme = FewShot(choices=["2", "0", "2"])
    space = operations(scheme).space
    scheme.divide()
    assert scheme.banks == scheme.used == 16
    banks = {(each["2"], each["0"]): scheme.bank_of(each) for each in space}
    assert sorted(banks.values()) == list(range(16))


def test_few_shot_leaves_banks_over_where_a_choice_is_not_always_there() -> None:
    scheme = FewShot(["depth", "last"])
    space = deep(scheme).space
    scheme.divide()
    assert scheme.banks == 6 and scheme.used == 4
    assert len({(each["depth"], each.get("last")): scheme.bank_of(each) for each in space}) == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: operations(FewShot(["9"])), "sharing goes by '9', which is no choice; known are 0, 1, 2"),
        (
            lambda: operations(FewShot(["0", "1", "2"], split_at=0.2), count=5),
            "takes 125 sets of weights, more than 64",
        ),
        (lambda: FewShot(repeats=0), "few-shot has repeats=0; give 1 or more"),
        (lambda: FewShot(split_at=1.0), "split_at is 1; give shares of the training from 0 to below 1"),
        (lambda: GradientMatching(split_at=[0.5, 0.2]), r"split_at is 0\.5, 0\.2; .*each above the one before"),
        (lambda: GradientMatching(split_at=[-0.5]), r"split_at is -0\.5"),
        (lambda: GradientMatching(groups=0), "groups=0; give 1 or more"),
        (lambda: GradientMatching(repeats=0), "repeats=0; give 1 or more"),
        (lambda: operations(GradientMatching(choices=["a"])), "sharing goes by 'a', which is no choice"),
        (lambda: operations(GradientMatching(), count=21), "choice '0' has 21 candidates, too many to try all ways"),
    ],
)
def test_options_that_do_not_fit_are_refused(make: Any, words: str) -> None:
    with pytest.raises(nas.UsageError, match=words):
        make()


def matrix(*pairs: tuple[int, int, float], size: int = 4, rest: float = 0.0) -> np.ndarray:
    distances = np.full((size, size), rest)
    np.fill_diagonal(distances, 0)
    for a, b, value in pairs:
        distances[a, b] = distances[b, a] = value
    return distances


def test_gradient_matching_cuts_where_groups_are_farthest_apart() -> None:
    scheme = GradientMatching()
    operations(scheme)
    assert scheme.banks == 4
    near = matrix(rest=0.5)
    far = matrix((0, 2, 0.1), (1, 3, 0.2), rest=0.7)
    scheme.update(0, {"0": near, "1": far, "2": near})
    assert [scheme.describe_division(each) for each in scheme.divisions] == [
        {"bank": 0, "choice": "1", "parts": {"0": [0, 2], "1": [1, 3]}}
    ]
    assert scheme.splittable(1) == ["0", "1", "2"]
    scheme.update(1, {"1": matrix(size=2, rest=0.9), "2": far})
    assert scheme.region(1)["1"] == (1,) and scheme.region(2)["1"] == (3,)
    assert scheme.describe()["divisions"][1] == {"bank": 1, "choice": "1", "parts": {"1": [1], "2": [3]}}


def test_it_is_the_mean_distance_that_counts_not_the_number_of_pairs() -> None:
    scheme = GradientMatching(split_at=[0.5])
    torch.manual_seed(0)
    many, few = ([nn.Conv2d(2, 2, 1) for _ in range(count)] for count in (6, 2))
    nas.Supernet(nn.Sequential(OneOf(many), OneOf(few)), scheme)
    scheme.update(0, {"0": matrix(size=6, rest=0.5), "1": matrix(size=2, rest=0.6)})
    assert scheme.divisions[0].choice == "1"


def test_a_region_of_one_architecture_stays_whole() -> None:
    scheme = GradientMatching(split_at=[0.1, 0.2, 0.3], choices=["0"])
    operations(scheme)
    scheme.update(0, {"0": matrix(rest=1)})
    scheme.update(0, {"0": matrix(size=2, rest=1)})
    assert scheme.splittable(0) == [] and scheme.splittable(1) == ["0"]
    scheme.update(0, {})
    assert scheme.used == 3


def test_one_group_never_cuts() -> None:
    scheme = GradientMatching(groups=1)
    operations(scheme)
    scheme.update(0, {"0": matrix(rest=1)})
    assert scheme.banks == scheme.used == 1
