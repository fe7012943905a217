"""What is to be known of the data stands in the result, and is said at the start."""

from pathlib import Path

import numpy as np
from killing import CHAIN
from PIL import Image

from nas.runs import run_search
from nas.setup import RunFolder, Silent, resolve


class Said(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_a_class_that_the_test_split_lacks_is_noted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for part, count in (("train/dark", 60), ("train/bright", 8), ("test/dark", 20)):
        (tmp_path / "data" / part).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 128, (8, 8), dtype=np.uint8) + 127 * part.endswith("bright")
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / part / f"{i}.png")
    data = {"data": "folder", "data_dir": str(tmp_path / "data"), "limit": None}
    config = resolve({**CHAIN, **data, "candidates": 4, "training": {"epochs": 1}}, "test")
    said = Said()
    result = run_search(config, RunFolder(tmp_path / "run"), said)
    note = "The test split of 'folder' has no image of class 'bright', of which its figures say nothing."
    assert note in result["notes"] and note in said.sentences
