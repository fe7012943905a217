"""The size of images as a choice: evaluated with shared weights, by the extracted network and alone at that size."""

import dataclasses

import pytest
import torch
from tiny_nets import MODELS, blobs, rows, scramble

import nas
from nas.data import Augment, ImageData, resized_images
from nas.evaluation import SharedWeights, Standalone, check_extraction, check_verdict, evaluate, recalibrate
from nas.training import Recipe

SIZES = [6, 8, 10]


def supernet(name: str) -> nas.Supernet:
    torch.manual_seed(0)
    extra = {"image_size": SIZES}
    return scramble(nas.Supernet(MODELS[name](), input_shape=(1, 8, 8), extra=extra))


def stored_at(data: ImageData, size: int) -> ImageData:
    """The data as if all images had been resized beforehand."""
    parts = {
        title: dataclasses.replace(part, images=resized_images(part.images, {"image_size": size}))
        for title, part in (("train", data.train), ("validation", data.validation))
    }
    return dataclasses.replace(data, **parts)


@pytest.mark.parametrize("name", MODELS)
def test_a_candidate_is_judged_as_its_network_on_data_of_its_size(name: str) -> None:
    ours, plain = supernet(name), nas.Supernet(MODELS[name](), input_shape=(1, 8, 8))
    plain.load_state_dict(ours.state_dict())
    evaluator = SharedWeights(ours, blobs(), 64, 32)
    some = [ours.space.sample(seed) for seed in range(12)]
    assert {each["image_size"] for each in some} == set(SIZES)
    for architecture, row in zip(some, rows(evaluator, some), strict=True):
        (alone,) = rows(evaluator, [architecture])
        inside = {name: value for name, value in architecture.items() if name != "image_size"}
        stored = stored_at(blobs(), architecture["image_size"])
        (theirs,) = rows(SharedWeights(plain, stored, 64, 32), [plain.space.architecture(inside)])
        assert row == alone == theirs
        split = evaluator.data.at(architecture).validation
        assert (
            evaluate(evaluator.network(architecture), split.batches(32), evaluator.data.task)["accuracy"]
            == row["accuracy"]
        )
        check_verdict(evaluator, architecture)
        check_extraction(ours, architecture, next(evaluator.data.validation.batches(8))[0])


def test_candidates_share_blocks_with_those_of_their_size() -> None:
    ours = supernet("chain")
    evaluator, plain = SharedWeights(ours, blobs(), 64, 32), nas.Supernet(MODELS["chain"]())
    evaluator(list(ours.space))
    alone = SharedWeights(plain, blobs(), 64, 32)
    alone(list(plain.space))
    assert evaluator.blocks == len(SIZES) * alone.blocks
    assert evaluator.blocks_alone == len(SIZES) * alone.blocks_alone


def test_a_network_is_trained_and_judged_at_its_size() -> None:
    ours, plain = supernet("chain"), nas.Supernet(MODELS["chain"]())
    recipe = Recipe(epochs=2, batch_size=16)
    inside, data = dict(plain.space.largest()), dataclasses.replace(blobs(), augment=Augment())
    (row,) = rows(Standalone(ours, data, recipe, 3), [ours.space.architecture({**inside, "image_size": 6})])
    (theirs,) = rows(Standalone(plain, stored_at(data, 6), recipe, 3), [plain.space.largest()])
    assert row == theirs
    network = recalibrate(ours.extract(ours.space.largest()), [torch.ones(2, 1, 10, 10)])
    assert network(torch.ones(2, 1, 10, 10)).shape == (2, 4)
