"""Stratified splits: disjoint, complete, in proportion, a function of the seed."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from nas.data.splits import divided, halves, sample
from nas.errors import UsageError

counts_of_classes = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any)


def labels_with(counts: list[int], seed: int = 0) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


@settings(deadline=None, max_examples=60)
@given(counts_of_classes.map(lambda c: [n + (n == 1) for n in c]), st.floats(0.02, 0.98), st.integers(0, 99))
def test_halves_are_disjoint_complete_and_hold_every_class(counts: list[int], share: float, seed: int) -> None:
    labels = labels_with(counts, seed)
    first, second = halves(labels, share, seed)
    assert sorted(torch.cat([first, second]).tolist()) == list(range(len(labels)))
    present = set(labels.tolist())
    assert set(labels[first].tolist()) == set(labels[second].tolist()) == present
    wanted = min(max(round(share * len(labels)), len(present)), len(labels) - len(present))
    assert len(first) == wanted


@settings(deadline=None, max_examples=60)
@given(counts_of_classes, st.integers(1, 5), st.floats(0.02, 0.98), st.integers(0, 99))
def test_groups_stay_together(counts: list[int], copies: int, share: float, seed: int) -> None:
    labels = labels_with(counts, seed).repeat_interleave(copies)
    groups = torch.arange(len(labels)) // copies
    if sum(counts) < 2:
        return
    first, second = divided(labels, share, seed, groups)
    assert sorted(torch.cat([first, second]).tolist()) == list(range(len(labels)))
    assert not set(groups[first].tolist()) & set(groups[second].tolist())
    assert len(first) == copies * min(max(round(share * sum(counts)), 1), sum(counts) - 1)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(20, 60), min_size=1, max_size=12), st.floats(0.1, 0.9), st.integers(0, 99))
def test_each_class_gives_its_share_rounded_up_or_down(counts: list[int], share: float, seed: int) -> None:
    labels = labels_with(counts, seed)
    first, _ = halves(labels, share, seed)
    given_by = torch.bincount(labels[first], minlength=len(counts))
    exact = torch.tensor(counts) * len(first) / len(labels)
    assert ((given_by - exact).abs() < 0.999).all()


@settings(deadline=None, max_examples=60)
@given(counts_of_classes, st.data())
def test_sample_has_the_size_asked_for_and_every_class(counts: list[int], data: st.DataObject) -> None:
    labels = labels_with(counts)
    present = len(set(labels.tolist()))
    size = data.draw(st.integers(present, len(labels)))
    kept = sample(labels, size, 5)
    assert len(kept) == len(set(kept.tolist())) == size
    assert len(set(labels[kept].tolist())) == present


def test_the_seed_decides() -> None:
    labels = labels_with([30, 30])
    assert torch.equal(halves(labels, 0.5, 3)[0], halves(labels, 0.5, 3)[0])
    assert set(halves(labels, 0.5, 3)[0].tolist()) != set(halves(labels, 0.5, 4)[0].tolist())
    assert set(halves(labels, 0.5, (3, 0))[0].tolist()) != set(halves(labels, 0.5, 3)[0].tolist())


def test_positions_come_in_random_order_of_class() -> None:
    labels = torch.arange(2).repeat_interleave(50)
    first, second = halves(labels, 0.5, 0)
    assert 5 < labels[first][:25].sum() < 20
    assert 5 < labels[second][:25].sum() < 20


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="cannot split a set in two; give a number between 0 and 1"):
        halves(labels_with([5, 5]), share, 0)


def test_a_class_with_one_image_is_named() -> None:
    with pytest.raises(UsageError, match="Class 'owl' has 1 image left"):
        halves(labels_with([4, 1]), 0.5, 0, ["cat", "owl"])


def test_a_limit_below_the_number_of_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="limit of 2 images cannot hold 3 classes; give at least 3"):
        sample(labels_with([4, 4, 4]), 2, 0)
