"""What holds for every space, whatever its conditions."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from random_spaces import brute_force, spaces

from nas.errors import UsageError
from nas.space import Architecture, Choice, Condition, Space

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**31)


def pairs(space: Space, architecture: Architecture) -> frozenset[tuple[str, int]]:
    (row,) = space.indices([architecture])
    return frozenset((name, int(index)) for name, index in zip(space.choices, row, strict=True) if index >= 0)


@SOME
@given(spaces())
def test_size_and_iteration_agree_with_brute_force(space: Space) -> None:
    members = list(space)
    expected = brute_force(space)
    assert space.size == len(members) == len(set(members)) == len(expected)
    assert {pairs(space, member) for member in members} == expected


@SOME
@given(spaces(), SEEDS)
def test_samples_are_canonical_members(space: Space, seed: int) -> None:
    sample = space.sample(seed)
    assert sample in space
    assert pairs(space, sample) in brute_force(space)
    assert space.canonical(sample) == sample == space.sample(seed)


@SOME
@given(spaces(), SEEDS, st.data())
def test_inactive_choices_are_left_out(space: Space, seed: int, data: st.DataObject) -> None:
    sample = space.sample(seed)
    noise = {name: data.draw(st.sampled_from(candidates)) for name, candidates in space.choices.items()}
    noisy = {**noise, **sample}
    assert space.architecture(noisy) == sample
    assert (noisy in space) == (len(noisy) == len(sample))


@SOME
@given(spaces(), SEEDS)
def test_index_matrix_and_one_hot_lose_nothing(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = [space.sample(rng) for _ in range(5)]
    matrix = space.indices(members)
    assert matrix.shape == (5, len(space.choices))
    assert space.from_indices(matrix) == members
    rubbish = np.where(matrix < 0, 99, matrix)
    assert space.from_indices(rubbish) == members, "entries of inactive choices count for nothing"
    encoded = space.one_hot(members)
    assert encoded.shape == (5, len(space.columns))
    assert np.array_equal(encoded, space.one_hot(matrix))
    blocks = np.split(encoded, np.cumsum([len(candidates) for candidates in space.choices.values()])[:-1], axis=1)
    for column, block in enumerate(blocks):
        active = matrix[:, column] >= 0
        assert np.array_equal(block.sum(1), active)
        assert np.array_equal(block.argmax(1)[active], matrix[active, column])


@SOME
@given(spaces(), SEEDS)
def test_json_round_trips(space: Space, seed: int) -> None:
    again = Space.from_json(space.to_json())
    assert again.to_json() == space.to_json() and again.fingerprint == space.fingerprint
    assert again.size == space.size
    sample = space.sample(seed)
    read = Architecture.from_json(sample.to_json())
    assert read == sample and hash(read) == hash(sample) and read.id == sample.id
    assert read in space and space.architecture(read) == sample
    assert again.sample(seed) == sample


@SOME
@given(spaces(), SEEDS, st.floats(0, 1))
def test_mutation_changes_something_and_stays_inside(space: Space, seed: int, rate: float) -> None:
    parent = space.sample(seed)
    if all(len(space.choices[name]) == 1 for name in parent):
        with pytest.raises(UsageError, match="cannot be mutated"):
            space.mutate(parent, seed, rate)
        return
    child = space.mutate(parent, seed + 1, rate)
    assert child in space and child != parent
    assert child == space.mutate(parent, seed + 1, rate)


@SOME
@given(spaces(), SEEDS)
def test_mutation_at_rate_zero_moves_one_choice(space: Space, seed: int) -> None:
    parent = space.sample(seed)
    if any(len(space.choices[name]) > 1 for name in parent):
        child = space.mutate(parent, seed, rate=0.0)
        assert len(differing(parent, child)) == 1


@SOME
@given(spaces(), SEEDS)
def test_crossover_stays_inside_and_takes_from_the_parents(space: Space, seed: int) -> None:
    mother, father = space.sample(seed), space.sample(seed + 1)
    child = space.cross(mother, father, seed)
    assert child in space
    for name, value in child.items():
        known = [parent[name] for parent in (mother, father) if name in parent]
        assert not known or value in known
    assert space.cross(mother, mother, seed) == mother


@SOME
@given(spaces(), SEEDS)
def test_neighbours_differ_in_one_choice_and_new_ones_take_every_candidate(space: Space, seed: int) -> None:
    centre = space.sample(seed)
    neighbours = list(space.neighbours(centre))
    assert neighbours == list(space.neighbours(centre)) and len(neighbours) == len(set(neighbours))
    steps = max((len(candidates) for name, candidates in space.choices.items() if name not in centre), default=1)
    moves = sum(len(space.choices[name]) - 1 for name in centre)
    assert moves <= len(neighbours) <= moves * steps
    met: dict[tuple[str, str], dict[str, set[str]]] = {}
    for neighbour in neighbours:
        assert neighbour in space
        (changed,) = differing(centre, neighbour)
        new = met.setdefault((changed, json.dumps(neighbour[changed])), {})
        for name in neighbour.keys() - centre.keys():
            new.setdefault(name, set()).add(json.dumps(neighbour[name]))
    assert len(met) == moves
    for new in met.values():
        for name, values in new.items():
            if all(other in centre for use in space.uses[name] for each in use for other in each.names):
                assert len(values) == len(space.choices[name])


@SOME
@given(spaces())
def test_smallest_and_largest_are_extreme(space: Space) -> None:
    for member, which, position in ((space.smallest(), min, 0), (space.largest(), max, -1)):
        assert member in space
        for name, value in member.items():
            candidates = space.choices[name]
            assert value == candidates[space.order[name][position]]
            if all(type(candidate) in (int, float) for candidate in candidates):
                assert value == which(candidates)


@SOME
@given(spaces(), st.data())
def test_a_given_order_says_what_is_largest_and_travels_with_the_space(space: Space, data: st.DataObject) -> None:
    order = {name: data.draw(st.permutations(range(len(each)))) for name, each in space.choices.items()}
    ordered = Space(space.choices, space.uses, order)
    again = Space.from_json(ordered.to_json())
    for each in (ordered, again):
        assert each.order == {name: tuple(positions) for name, positions in order.items()}
        for name, value in each.largest().items():
            assert value == each.choices[name][order[name][-1]]
        for name, value in each.smallest().items():
            assert value == each.choices[name][order[name][0]]
    assert again.to_json() == ordered.to_json() and ordered.fingerprint == space.fingerprint
    assert Space(space.choices, space.uses, space.order).to_json() == space.to_json()


@SOME
@given(spaces())
def test_a_choice_is_active_in_the_largest_architecture_with_it(space: Space) -> None:
    possible = {name for member in space for name in member}
    for name in space.choices:
        found = space.largest_with(name)
        assert (found is not None) == (name in possible)
        assert found is None or (name in found and found in space)


def differing(a: Architecture, b: Architecture) -> list[str]:
    """Choices that both have, at different candidates; 1 and True differ."""
    return [name for name in a if name in b and json.dumps(a[name]) != json.dumps(b[name])]


NESTED = Space(
    {"inner": [3, 5], "depth": [1, 2], "operation": ["skip", "conv"], "other": [7, 9]},
    {
        "operation": [(Condition(("depth",), frozenset({(1,)})),)],
        "inner": [
            (Condition(("depth",), frozenset({(1,)})), Condition(("operation",), frozenset({(1,)}))),
            (Condition(("other",), frozenset({(0,)})),),
        ],
    },
)


def test_nested_and_ored_conditions_count_by_hand() -> None:
    # depth 1: inner only if other is 7: 2 + 1; depth 2 skip: the same; depth 2 conv: inner always: 2 + 2.
    assert NESTED.size == 3 + 3 + 4
    assert "inner" not in NESTED.architecture({"depth": 1, "other": 9})
    assert "inner" in NESTED.architecture({"depth": 1, "other": 7, "inner": 3})
    assert "inner" in NESTED.architecture({"depth": 2, "operation": "conv", "other": 9, "inner": 3})


def test_a_condition_on_an_inactive_choice_does_not_hold() -> None:
    space = Space(
        {"a": [0, 1], "b": [0, 1], "c": [0, 1]},
        {"b": [(Condition(("a",), frozenset({(1,)})),)], "c": [(Condition(("b",), frozenset({(0,), (1,)})),)]},
    )
    assert space.size == 1 + 2 * 2
    assert space.architecture({"a": 0, "b": 1, "c": 1}) == Architecture({"a": 0})


def test_choices_in_a_circle_are_never_active() -> None:
    circle = {"a": [(Condition(("b",), frozenset({(0,)})),)], "b": [(Condition(("a",), frozenset({(0,)})),)]}
    space = Space({"a": [1, 2], "b": [1, 2], "c": [1, 2, 3]}, circle)
    assert space.size == len(list(space)) == 3
    assert set(space.sample(0)) == {"c"}


def test_the_count_of_a_huge_space_is_exact_and_immediate() -> None:
    stages = range(20)
    choices: dict[str, list[Any]] = {}
    uses = {}
    for stage in stages:
        choices[f"depth{stage}"] = [1, 2, 3, 4]
        for block in range(4):
            name = f"kernel{stage}.{block}"
            choices[name] = [3, 5, 7]
            uses[name] = [(Condition((f"depth{stage}",), frozenset((index,) for index in range(block, 4))),)]
    assert Space(choices, uses).size == (3 + 3**2 + 3**3 + 3**4) ** 20


def test_sampling_is_uniform_over_choices() -> None:
    space = Space({"a": [1, 2, 3, 4], "b": ["x", "y"]}, {"b": [(Condition(("a",), frozenset({(0,)})),)]})
    rng = np.random.default_rng(0)
    matrix = space.indices([space.sample(rng) for _ in range(20_000)])
    assert np.bincount(matrix[:, 0]) / 20_000 == pytest.approx(np.full(4, 0.25), abs=0.01)
    active = matrix[matrix[:, 0] == 0, 1]
    assert np.bincount(active) / len(active) == pytest.approx(np.full(2, 0.5), abs=0.02)
    assert np.all(matrix[matrix[:, 0] != 0, 1] == -1)


def test_seeds_may_be_sequences_or_generators() -> None:
    space = Space({f"c{i}": list(range(10)) for i in range(10)})
    assert space.sample((3, 7)) == space.sample((3, 7)) != space.sample((3, 8))
    rng = np.random.default_rng(5)
    assert space.sample(rng) == space.sample(5)
    assert space.sample(rng) != space.sample(5), "a generator that is given goes on"


def test_an_architecture_is_an_immutable_mapping() -> None:
    values = {"b": 1, "a": "x"}
    architecture = Architecture(values)
    values["b"] = 2
    assert architecture["b"] == 1 and dict(architecture) == {"b": 1, "a": "x"} and len(architecture) == 2
    assert architecture == Architecture({"a": "x", "b": 1})
    assert hash(architecture) == hash(Architecture({"a": "x", "b": 1}))
    assert len({architecture, Architecture({"a": "x", "b": 1}), Architecture({"a": "x"})}) == 2
    assert architecture != {"b": 1, "a": "x"}
    assert len(architecture.id) == 10 and architecture.id != Architecture({"a": "x"}).id
    assert Architecture({"a": 1}) != Architecture({"a": True}) and Architecture({"a": 1}) != Architecture({"a": 1.0})


def test_choice_objects_may_stand_for_lists() -> None:
    assert Space({"k": Choice([3, 5])}).to_json() == Space({"k": [3, 5]}).to_json()


def test_a_space_without_choices_has_one_member() -> None:
    space = Space({})
    assert space.size == 1 and list(space) == [Architecture({})]
    assert space.one_hot(list(space)).shape == (1, 0)


def test_fingerprints_tell_spaces_apart() -> None:
    base = Space({"a": [1, 2], "b": [3, 4]})
    condition = {"b": [(Condition(("a",), frozenset({(0,)})),)]}
    others = [Space({"a": [1, 2], "b": [3, 5]}), Space({"b": [3, 4], "a": [1, 2]}), Space(base.choices, condition)]
    assert len({space.fingerprint for space in (base, *others)}) == 4


@SOME
@given(spaces(), spaces(), SEEDS)
def test_a_product_has_every_pair_of_architectures(first: Space, second: Space, seed: int) -> None:
    uses = {
        f"other {name}": [
            tuple(Condition(tuple(f"other {each}" for each in one.names), one.allowed) for one in use) for use in places
        ]
        for name, places in second.uses.items()
    }
    other = Space({f"other {name}": each for name, each in second.choices.items()}, uses)
    product = first.product(other)
    assert product.size == first.size * other.size
    assert product.fingerprint == Space.from_json(product.to_json()).fingerprint
    for end in ("smallest", "largest"):
        assert dict(getattr(product, end)()) == {**getattr(first, end)(), **getattr(other, end)()}
    sample = product.sample(seed)
    assert {name: value for name, value in sample.items() if name in first.choices} in first
    assert {name: value for name, value in sample.items() if name in other.choices} in other
    assert product.one_hot([sample]).shape == (1, first.one_hot([]).shape[1] + other.one_hot([]).shape[1])


def test_a_product_refuses_two_choices_of_one_name() -> None:
    space = Space({"kernel": [3, 5]})
    with pytest.raises(UsageError, match=r"two spaces of a product have a choice 'kernel'; give one of them another"):
        space.product(Space({"size": [1]}), Space({"kernel": [7]}))
