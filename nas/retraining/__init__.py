"""The best networks of a run trained again, with many recipes."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.retraining.controls import control_run as control_run
    from nas.retraining.run import retrain_run as retrain_run

lazy(__name__)
