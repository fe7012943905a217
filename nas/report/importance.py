"""How much each choice decides: PED-ANOVA over the candidates of a search, for its score and for its cost."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.report.content import Floats, ReportContent, column
from nas.report.plotting import AMBER, BLUE, Figure, escaped, layout
from nas.report.quantities import in_sentence, label
from nas.wording import counted

if TYPE_CHECKING:
    import optuna

__all__ = ["TOO_FEW_FOR_IMPORTANCE", "choice_importance", "importance_caption", "importance_figure", "importances"]

_FEWEST = 50
"""Candidates, of which the best tenth is five."""
_MOST = 2000
TOO_FEW_FOR_IMPORTANCE = f"Which choices decide is not told of fewer than {_FEWEST} candidates that differ."
_SHOWN = 15
_HEAD, _ROW = 90, 30


def choice_importance(architectures: Sequence[Mapping[str, Any]], values: Floats, maximise: bool) -> dict[str, float]:
    """The importance of each choice for being among the best tenth, by PED-ANOVA of Watanabe et al. (2023).

    It is the variance of that tenth's density over the candidates of a choice alone, as a share of all choices' sum.
    A choice that is not active counts as one more candidate of it.

    Args:
        architectures: candidate of each active choice.
        values: ``[architectures]``, of a metric or a cost.
        maximise: whether more of it is better.

    >>> found = choice_importance([{"a": n % 5, "b": n % 3} for n in range(60)], np.arange(60.0) % 5, maximise=True)
    >>> found["a"] > 0.9
    True
    """
    import optuna

    from nas.search.optuna_logging import only_optuna_warnings

    names = list(dict.fromkeys(name for each in architectures for name in each))
    texts = [{name: json.dumps(each.get(name)) for name in names} for each in architectures]
    spread = {name: sorted({each[name] for each in texts}) for name in names}
    varied = {
        name: optuna.distributions.CategoricalDistribution(each) for name, each in spread.items() if len(each) > 1
    }
    with only_optuna_warnings(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="maximize" if maximise else "minimize")
        study.add_trials(
            [
                _trial({name: each[name] for name in varied}, varied, value)
                for each, value in zip(texts, values, strict=True)
            ]
        )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator)) if varied else {}


def _trial(params: dict[str, Any], distributions: Any, value: float) -> "optuna.trial.FrozenTrial":
    import optuna

    return optuna.trial.create_trial(params=params, distributions=distributions, value=float(value))


def importances(content: ReportContent) -> dict[str, tuple[float, float]]:
    """Choice → its importance for the score and for the cost, those that decide most first.

    There are none where there are too few candidates, or where they do not differ.
    """
    columns = {name: column(content.candidates, name) for name in (content.score, content.cost)}
    known = np.flatnonzero(~np.isnan(sum(columns.values())))
    known = known[:: max(1, math.ceil(len(known) / _MOST))]
    if len(known) < _FEWEST:
        return {}
    architectures = [json.loads(text) for text in content.candidates["architecture"].to_numpy()[known]]
    better = {content.score: content.maximise, content.cost: False}
    found = {
        name: choice_importance(architectures, values[known], better[name])
        for name, values in columns.items()
        if len(np.unique(values[known])) > 1
    }
    by_score, by_cost = (found.get(name, {}) for name in columns)
    both = {name: (by_score.get(name, 0.0), by_cost.get(name, 0.0)) for name in {**by_score, **by_cost}}
    return dict(sorted(both.items(), key=lambda each: (-sum(each[1]), each[0])))


def importance_figure(content: ReportContent, found: Mapping[str, tuple[float, float]]) -> Figure | None:
    """Bars of the choices that decide most, score and cost side by side; None of no :func:`importances`."""
    shown = list(found)[:_SHOWN]
    if not shown:
        return None
    drawn = zip((content.score, content.cost), (BLUE, AMBER), zip(*found.values(), strict=True), strict=True)
    traces = [_bars(label(name), shares[: len(shown)], shown, color) for name, color, shares in drawn]
    frame = layout("importance", "choice") | {"barmode": "group", "height": _HEAD + _ROW * len(shown)}
    frame["xaxis"] |= {"tickformat": ".0%", "rangemode": "tozero"}
    frame["yaxis"] = {"type": "category", "autorange": "reversed", "automargin": True, "fixedrange": True}
    return {"data": traces, "layout": frame}


def _bars(name: str, shares: Sequence[float], choices: Sequence[str], color: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": escaped(name),
        "x": [round(float(share), 4) for share in shares],
        "y": [escaped(choice) for choice in choices],
        "marker": {"color": color},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }


def importance_caption(content: ReportContent) -> str:
    """What the bars say, and how far."""
    return (
        f"Share in deciding which of the {counted(len(content.candidates), 'candidate')} are the best tenth, by "
        f"PED-ANOVA: for {in_sentence(content.score)} and for {in_sentence(content.cost)}, of the {_SHOWN} choices "
        "that decide most. A search evaluates what it likes, so this is of the region that it looked at; of few "
        "candidates it is noisy."
    )
