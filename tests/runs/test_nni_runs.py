"""The spaces of NNI's hub, searched by our engine, end in ONNX."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from nas.run import Run

pytest.importorskip("nni", reason="the extra nas-supernet[nni] is not installed")

SPACES: dict[str, tuple[str, dict[str, Any]]] = {
    "nasbench201": ("spos", {"stem_out_channels": 4, "num_modules_per_stack": 1}),
    "darts": ("spos", {"width": 4, "num_cells": 3}),
    "proxylessnas": ("bignas", {"width_mult": 0.25}),
    "mobilenetv3": ("bignas", {"width_multipliers": 0.25}),
    "shufflenet": ("spos", {}),
    "autoformer": (
        "bignas",
        {
            "search_embed_dim": [24, 48], "search_num_heads": [2, 3], "search_depth": [1, 2],
            "search_mlp_ratio": [2.0, 3.0], "patch_size": 4,
        },
    ),
}  # fmt: skip
"""The method, and arguments of small networks."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_a_space_of_the_hub_is_trained_searched_and_delivered(name: str, tmp_path: Path) -> None:
    method, model_args = SPACES[name]
    run = Run(
        space=f"nni:{name}",
        space_args={"model_args": model_args},
        task="digits",
        method=method,
        limit=32,
        image_size=8 if name in ("nasbench201", "autoformer") else 16,
        training={"epochs": 1, "batch_size": 16},
        profile={"networks": 6, "samples": 20, "seconds": 0.5},
        candidates=2,
        random_baseline=0,
        finish={"networks": 0},
        constraints=["flops <= 100% of largest"],
    )
    found = run.search("run", tmp_path)
    session = onnxruntime.InferenceSession(found.path / "best.onnx")
    (output,) = session.get_outputs()
    assert output.shape[-1] == 10
