"""The largest network stays as it is while all others go on with weights of their own."""

import torch
from tiny import elastic

import nas
from nas.sharing import DenseParent


def supernet() -> nas.Supernet:
    return nas.Supernet(elastic().model, DenseParent())


def test_all_see_the_weights_of_the_largest_until_they_are_branched_off() -> None:
    one = supernet()
    sharing = one.sharing
    assert isinstance(sharing, DenseParent)
    largest, smallest = one.space.largest(), one.space.smallest()
    assert [sharing.bank_of(each) for each in (largest, smallest)] == [0, 0]
    with torch.no_grad():
        sharing.tensors(0)["0.weight"].fill_(0.5)
    sharing.branch()
    assert [sharing.bank_of(each) for each in (largest, smallest)] == [0, 1]
    assert torch.equal(sharing.tensors(1)["0.weight"], sharing.tensors(0)["0.weight"])


def test_what_was_branched_off_is_so_after_a_reload() -> None:
    one, other = supernet(), supernet()
    assert isinstance(one.sharing, DenseParent) and isinstance(other.sharing, DenseParent)
    one.sharing.branch()
    other.load_state_dict(one.state_dict())
    assert other.sharing.branched and other.sharing.bank_of(other.space.smallest()) == 1
