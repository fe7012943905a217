"""Where a run works: which GPUs a worker gets, and what travels to it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nas.errors import UsageError
from nas.setup import resolve, workers as place
from nas.setup.workers import gpus_each, train_elsewhere, travelling


def setup(device: str, **settings: Any) -> Any:
    """As much of a setup as tells where it works."""
    return SimpleNamespace(config=resolve(settings, "test"), device=torch.device(device), target=None)


def test_a_worker_without_a_share_of_a_gpu_works_on_the_cpu_since_ray_lets_it_see_them_all() -> None:
    config = resolve({"data_dir": "somewhere"}, "test")
    assert travelling(config, 0.0).device == "cpu"
    assert travelling(config, 0.5).device == "auto"
    assert travelling(config, 0.5).data_dir == Path("somewhere").resolve()


def test_a_search_on_the_gpu_of_this_machine_needs_no_ray() -> None:
    train_elsewhere(setup("cuda"), Path("nowhere"), None, None, lambda epoch: None)


@pytest.mark.parametrize(
    ("workers", "there", "each"), [(2, 2, 1.0), (3, 2, 0.5), (6, 1, 1 / 6), (1, 4, 1.0), (None, 4, 1.0), (4, 0, 0.0)]
)
def test_gpus_are_shared_so_that_every_share_lies_on_one(
    monkeypatch: pytest.MonkeyPatch, workers: int | None, there: int, each: float
) -> None:
    monkeypatch.setattr(place, "free_of", lambda held: {"GPU": float(there)})
    assert gpus_each(setup("cuda"), workers) == each
    assert gpus_each(setup("cpu"), workers) == 0.0
    assert gpus_each(setup("cuda", ray={"gpus_per_worker": 0.25}), workers) == 0.25


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"device": "cpu", "ray": {"gpus_per_worker": 1}}, "device is 'cpu', but ray.gpus_per_worker is 1; drop one"),
        ({"storage": "postgresql://me:secret@db/nas"}, "storage holds a password, .* PGPASSWORD"),
        (
            {"ray": {"train_workers": 3}, "training": {"microbatches": 2}},
            "ray.train_workers is 3, but training.microbatches is 2",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_begins(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        resolve(settings, "test")


def test_workers_that_train_together_cut_batches_in_as_many_parts_where_nothing_else_is_said() -> None:
    def microbatches(given: dict[str, Any]) -> int:
        return resolve(given, "test").training.microbatches

    assert microbatches({"ray": {"train_workers": 4}}) == 4
    assert microbatches({"ray": {"train_workers": 2}, "training": {"microbatches": 4}}) == 4
    assert microbatches({"ray": {"train_workers": 2}, "method": "few-shot"}) == 1
    assert resolve({"ray": {"train_workers": 4}}, "test").retraining.microbatches == 1
