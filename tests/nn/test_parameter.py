"""Parameters of elastic size beside layers."""

import pytest
from torch import Tensor, nn

import nas
from nas.space import Choice

HIDDEN = Choice([3, 5], name="hidden")


def test_fresh_weights_of_a_parameter_are_those_that_its_module_gives() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nas.nn.Parameter((HIDDEN,))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.shift

    class Fresh(Shifted):
        def reset_parameters(self) -> None:
            nn.init.normal_(self.shift)  # type: ignore[arg-type]

    with pytest.raises(nas.UsageError, match=r"Shifted holds parameters but has no reset_parameters\(\)"):
        nas.nn.initialise(nas.Supernet(Shifted()).model, 0)
    supernet = nas.Supernet(Fresh())
    supernet.activate({"hidden": 3})
    nas.nn.initialise(supernet.model, 0)
    assert supernet.model.shift.weight.all(), "all of it, whatever is active"
