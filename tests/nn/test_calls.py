"""What each call of a model's modules gives, in order."""

import torch
from torch import nn

from nas.nn.module_calls import Call, calls, first_different_call
from nas.nn.tree import modules


def test_calls_stand_in_the_order_in_which_they_end_and_are_not_written_over() -> None:
    double, relu = nn.Linear(1, 1, bias=False), nn.ReLU(inplace=True)
    nn.init.constant_(double.weight, -2.0)
    model = nn.Sequential(double, nn.Sequential(relu, double), relu)
    found = calls(modules(model), lambda: model(torch.ones(1, 1)))
    assert {str(call): [float(each) for each in given] for call, given in found.items()} == {
        "0": [-2.0],
        "1.0": [0.0],
        "0 (call 2)": [0.0],
        "1": [0.0],
        "1.0 (call 2)": [0.0],
    }
    assert list(found) == [Call("0", 1), Call("1.0", 1), Call("0", 2), Call("1", 1), Call("1.0", 2)]
    assert not any(module._forward_hooks for module in model.modules())


def test_the_first_difference_is_looked_for_in_calls_that_both_have() -> None:
    some = {Call("a", 1): 1, Call("only here", 1): 2, Call("b", 1): 3, Call("c", 1): 4}
    others = {Call("c", 1): 5, Call("b", 1): 0, Call("a", 1): 1}
    assert first_different_call(some, others, int.__ne__) == Call("b", 1)
    assert first_different_call(some, some, int.__ne__) is None
