"""One trial of `nas retrain`, interrupted and continued."""

from pathlib import Path
from typing import Any

import pytest
from searched import SETTINGS

from nas.retraining.plans import Plan
from nas.retraining.trial import Trainer, packed
from nas.setup import Setup, resolve


class KilledError(Exception):
    """Stands for a kill between two epochs."""


@pytest.mark.parametrize("kind", ["images", "text"])
def test_a_trial_goes_on_bit_for_bit_where_it_was(kind: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = SETTINGS
    if kind == "text":
        (tmp_path / "input.txt").write_text("a search finds the best of all small networks. " * 100)
        space = {"widths": [8, 16], "depths": [1, 2], "heads": [1, 2], "head_dim": 4, "ratios": [1, 2]}
        settings = {"space": "transformer_lm", "space_args": space, "data": "text", "data_dir": str(tmp_path)}
        settings |= {"finish": {"networks": 0}}
    config = resolve(settings, "test")
    setup = Setup(config)
    recipe = config.retraining.model_copy(update={"epochs": 2, "warmup_epochs": 0.0})
    plan = Plan(architecture=dict(setup.space.largest()), start="inherited", recipe=recipe, distillation=0.5)
    train = Trainer(config, packed(setup.searched), [plan], 3)
    told: dict[str, list[Any]] = {"whole": [], "again": []}
    train(0, tmp_path / "whole", lambda done, metrics: told["whole"].append((done, metrics)))

    def killed(done: int, metrics: Any) -> None:
        told["again"].append((done, metrics))
        raise KilledError

    with pytest.raises(KilledError):
        train(0, tmp_path / "again", killed)
    train(0, tmp_path / "again", lambda done, metrics: told["again"].append((done, metrics)))
    assert told["again"] == told["whole"] and [done for done, _ in told["whole"]] == [1, 2]
    assert setup.metric.name in told["whole"][0][1]
    train(0, tmp_path / "again", lambda done, metrics: told["again"].append((done, metrics)))
    assert told["again"] == [*told["whole"], told["whole"][-1]], "what had ended tells its metrics again"
