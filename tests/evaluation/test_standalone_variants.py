"""Networks trained by themselves with another augmentation, with a teacher, and restored from a checkpoint."""

from pathlib import Path

import pytest
import torch
from tiny_nets import CLASSES, SHAPE, blobs, supernet
from torch import nn

import nas
from nas.data import Augment
from nas.errors import UsageError
from nas.evaluation import Standalone
from nas.tasks import Classification
from nas.training import Distillation, Epoch, Recipe
from search_spaces.darts import darts

TASK = Classification(["cat", "dog", "owl"])
RECIPE = Recipe(epochs=2, batch_size=32, learning_rate=0.05)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_another_augmentation_replaces_that_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = supernet("chain"), blobs()
    seen: set[Augment] = set()
    erase = Augment.erase
    monkeypatch.setattr(Augment, "erase", lambda self, *rest: seen.add(self) or erase(self, *rest))
    for augment, expected in ((None, Augment(crop=1, cutout=3)), (Augment(), Augment(cutout=3))):
        seen.clear()
        recipe = RECIPE.model_copy(update={"cutout": 3, "epochs": 1})
        Standalone(network, data, recipe, augment=augment).train(network.space.smallest())
        assert seen == {expected}


def test_a_teacher_takes_its_share_of_the_loss_and_leaves_the_labels_the_rest() -> None:
    network, data = supernet("chain"), blobs()
    a = network.space.sample(3)

    class Sure(nn.Module):
        """Says class 0 of everything."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(torch.zeros(len(x), dtype=torch.int64), CLASSES) * 100.0

    def trained(teacher: Distillation | None) -> nn.Module:
        return Standalone(network, data, RECIPE.model_copy(update={"epochs": 6}), inherit=True, teacher=teacher).train(
            a
        )

    plain, nothing = trained(None), trained(Distillation(Sure().eval(), TASK, share=0.0))
    assert torch.equal(weights(plain), weights(nothing))
    taught = trained(Distillation(Sure().eval(), TASK, share=1.0))
    x, _ = next(data.validation.batches(50))
    assert (taught(x).argmax(1) == 0).float().mean() > 0.9 > (plain(x).argmax(1) == 0).float().mean()


@pytest.mark.parametrize("auxiliary", [0.0, 0.4])
def test_a_network_is_restored_as_it_was_after_any_epoch(auxiliary: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, data = nas.Supernet(darts(SHAPE, CLASSES, width=2, cells=3)), blobs()
    a = network.space.sample(3)
    trainer = Standalone(network, data, RECIPE.model_copy(update={"auxiliary": auxiliary}))
    begun, file = trainer.begin(a), tmp_path / "x.safetensors"
    x, _ = next(data.validation.batches(50))
    outputs: list[torch.Tensor] = []

    def compare(epoch: Epoch) -> None:
        outputs.append(begun.eval()(x).detach())
        restored = trainer.restored(a, file)
        assert not restored.training and torch.equal(restored(x), outputs[-1])

    trainer.fit(a, begun, file, compare)
    assert len(outputs) == 2 and not torch.equal(*outputs)
    with pytest.raises(UsageError, match="was trained with other code: "):
        trainer.restored(network.space.sample(4), file)
