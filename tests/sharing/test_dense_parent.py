"""The largest network stays as it is while a part of it goes on with weights of its own."""

import torch
from tiny import elastic

import nas
from nas.sharing import DenseParent


def supernet() -> tuple[nas.Supernet, DenseParent]:
    sharing = DenseParent()
    return nas.Supernet(elastic().model, sharing), sharing


def test_all_see_the_weights_of_the_largest_until_a_part_is_branched_off() -> None:
    one, sharing = supernet()
    largest, smallest = one.space.largest(), one.space.smallest()
    assert [sharing.bank_of(each) for each in (largest, smallest)] == [0, 0]
    with torch.no_grad():
        sharing.tensors(0)["0.weight"].fill_(0.5)
    sharing.branch()
    assert [sharing.bank_of(each) for each in (largest, smallest)] == [0, 1]
    assert torch.equal(sharing.tensors(1)["0.weight"], sharing.tensors(0)["0.weight"])


def test_what_is_no_part_of_the_part_sees_the_largest() -> None:
    one, sharing = supernet()
    sharing.branch()
    sharing.part = one.space.architecture({"width": 4, "kernel": 3, "depth": 1})
    banks = {
        (width, depth): sharing.bank_of(one.space.complete({"width": width, "depth": depth, "kernel": 1}))
        for width in (2, 4, 6)
        for depth in (0, 1, 2)
    }
    assert {key for key, bank in banks.items() if bank} == {(2, 0), (2, 1), (4, 0), (4, 1)}


def test_what_was_branched_off_is_so_after_a_reload() -> None:
    (one, sharing), (other, again) = supernet(), supernet()
    other.load_state_dict(one.state_dict())
    assert again.part is None
    sharing.branch()
    sharing.part = one.space.architecture({"width": 4, "depth": 0})
    other.load_state_dict(one.state_dict())
    assert again.part == sharing.part
