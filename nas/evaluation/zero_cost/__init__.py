"""Scores of networks that are not trained: one file for each family of proxies."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.evaluation.zero_cost.probe import Probe as Probe
    from nas.evaluation.zero_cost.proxies import PROXIES as PROXIES
    from nas.evaluation.zero_cost.zero_cost_evaluator import ZeroCost as ZeroCost

lazy(__name__)
