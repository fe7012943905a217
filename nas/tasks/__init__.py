"""What the networks of a data set must do: what they learn from, are evaluated by, and how they agree."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.tasks.alpha_divergence import AlphaDistillation as AlphaDistillation
    from nas.tasks.classification import ACCURACY as ACCURACY, Classification as Classification
    from nas.tasks.language import BITS_PER_CHARACTER as BITS_PER_CHARACTER, Language as Language
    from nas.tasks.losses import (
        CrossEntropy as CrossEntropy,
        Forward as Forward,
        InPlaceDistillation as InPlaceDistillation,
        LossTerm as LossTerm,
        Taught as Taught,
        Told as Told,
    )
    from nas.tasks.metric import Metric as Metric
    from nas.tasks.metrics import METRICS as METRICS
    from nas.tasks.multi_label import MEAN_AVERAGE_PRECISION as MEAN_AVERAGE_PRECISION, MultiLabel as MultiLabel
    from nas.tasks.regression import RMSE as RMSE, Regression as Regression
    from nas.tasks.tally import Tally as Tally
    from nas.tasks.task import Task as Task

lazy(__name__)
