"""Bits per character: what it is, its interval, and evaluators that give it."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nas
from nas.data import TextData, TextSplit
from nas.errors import UsageError
from nas.evaluation import SharedWeights, Standalone, evaluate
from nas.tasks import Language
from nas.tasks.intervals import mean_interval
from nas.training import Recipe

CHARACTERS, LENGTH = 5, 6
LANGUAGE = Language(tuple("abcde"))
COLUMNS = ["bits_per_character", "bits_per_character_low", "bits_per_character_high", "accuracy", "loss"]


class Transpose(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def supernet() -> nas.Supernet:
    """Says the next character from the current one alone."""
    torch.manual_seed(0)
    width = nas.Choice([4, 8], name="width")
    embedding, head = nas.nn.Embedding(CHARACTERS, width), nas.nn.Linear(width, CHARACTERS)
    return nas.Supernet(nn.Sequential(embedding, head, Transpose()))


def cycle() -> TextData:
    """Every character follows from the one before it."""
    text = torch.arange(600) % CHARACTERS
    return TextData("cycle", LANGUAGE, *(TextSplit(part, LENGTH) for part in text.split([480, 60, 60])))


def test_bits_are_the_mean_cross_entropy_to_base_two_over_all_characters() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(25, CHARACTERS, LENGTH), torch.randint(0, CHARACTERS, (25, LENGTH))
    tally = LANGUAGE.tally()
    tally.add(logits[:10], labels[:10])
    tally.add(logits[10:], labels[10:])
    found = tally.metrics()
    assert list(found) == COLUMNS
    assert found["loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert found["bits_per_character"] == pytest.approx(found["loss"] / math.log(2))
    assert found["accuracy"] == int((logits.argmax(1) == labels).sum()) / labels.numel()
    bits = F.cross_entropy(logits, labels, reduction="none").mean(1).double() / math.log(2)
    reach = 1.959964 * float(bits.std()) / 5
    assert found["bits_per_character_low"] == pytest.approx(found["bits_per_character"] - reach, rel=1e-6)
    assert found["bits_per_character_high"] == pytest.approx(found["bits_per_character"] + reach, rel=1e-6)


def test_a_guess_by_no_knowledge_takes_the_logarithm_of_the_vocabulary() -> None:
    tally = LANGUAGE.tally()
    tally.add(torch.zeros(3, 8, 4), torch.randint(0, 8, (3, 4)))
    found = tally.metrics()
    assert found["bits_per_character"] == pytest.approx(3.0)
    assert found["bits_per_character_low"] == pytest.approx(3.0, abs=1e-6)


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    torch.manual_seed(0)
    covered = 0
    for values in torch.rand(1000, 60, dtype=torch.double):
        low, high = mean_interval(values)
        covered += low < 0.5 < high
    assert 0.92 < covered / 1000 < 0.97


def test_the_spread_of_a_single_window_is_not_known() -> None:
    with pytest.raises(UsageError, match="spread of 1 window of text is not known"):
        mean_interval([2.0])


def test_shared_weights_give_bits_per_character_and_run_nothing_but_the_validation_split() -> None:
    network, data = supernet(), cycle()
    architectures = [network.space.largest(), network.space.smallest()]
    evaluator = SharedWeights(network, data, batch_size=4)
    ran: list[int] = []
    hook = network.model[2].register_forward_hook(lambda module, inputs, output: ran.append(len(output)))
    table = evaluator(architectures)
    hook.remove()
    assert list(table.columns) == COLUMNS and sum(ran) == 2 * len(data.validation)
    for row, architecture in enumerate(architectures):
        alone = evaluate(evaluator.network(architecture), data.validation.batches(4), data.task)
        assert table.iloc[row].to_dict() == pytest.approx(alone, rel=1e-5)


def test_a_network_trained_alone_learns_which_character_follows() -> None:
    network, data = supernet(), cycle()
    recipe = Recipe(epochs=20, batch_size=16, learning_rate=0.5)
    table = Standalone(network, data, recipe)([network.space.largest()])
    assert list(table.columns) == COLUMNS
    assert table["bits_per_character"].item() < 0.5 < math.log2(CHARACTERS)
    assert table["accuracy"].item() == 1.0
