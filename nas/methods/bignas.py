"""BigNAS: one supernet whose subnets need no retraining."""

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases

__all__ = ["BIGNAS"]

BIGNAS = Method(
    name="bignas",
    family="sandwich",
    paper="Yu et al., BigNAS: Scaling up neural architecture search with big single-stage models, 2020",
    summary="sandwich rule: the largest subnet learns from labels, the others from it; no retraining",
    phases=sandwich_phases,
)
