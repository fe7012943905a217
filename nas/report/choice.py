"""Why a run took its network, in sentences for the terminal and the page; plain text, not yet escaped."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.controls import control_sentences
from nas.report.quantities import label, points, share, written
from nas.report.retraining import retraining_sentence
from nas.wording import counted

__all__ = ["choice_sentences"]


def choice_sentences(result: Mapping[str, Any]) -> list[str]:
    """What was chosen, how sure its figures are, and what luck finds.

    Args:
        result: of a search, as in ``best.json``.
    """
    metric, best, largest = result["metric"], result["best"], result["largest"]
    tested = f"test_{metric}"
    sentences = [
        f"Chosen: {best['id']} with confirmed {label(metric).lower()} {_with_interval(best, metric)} and "
        f"{label(tested).lower()} {_with_interval(best, tested)}{_beside_largest(best, largest, tested)}."
    ]
    sentences += [
        f"Its {label(name).lower()}: {written(name, best[name])} (largest: {written(name, largest[name])})."
        for name in result.get("own_costs", ())
    ]
    if "delivered" in result.get("retrained", {}):
        sentences.append(retraining_sentence(metric, result["retrained"]))
    if "selection" in result and "former" not in result:
        sentences += _why(result, metric)
    return [*sentences, *_luck(result, tested), *control_sentences(result.get("controls"))]


def _beside_largest(best: Mapping[str, Any], largest: Mapping[str, Any], tested: str) -> str:
    if best["id"] == largest["id"]:
        return "; it is the largest network"
    beside = f", at {share(best['latency_ms'], largest['latency_ms'])} of the largest network's latency"
    if largest.get(tested) is None:
        return beside
    return f"{beside} (largest: {label(tested).lower()} {written(tested, largest[tested])})"


def _why(result: Mapping[str, Any], metric: str) -> list[str]:
    why, best, score = result["selection"], result["best"], f"selection_{metric}"
    if "finish" in why:
        return [_finish(why, best, metric)]
    if "by" in why:
        return [_by_score(result)]
    others = len(why["equals"]) - 1
    reason = (
        f"It has the lowest {label(result['cost']).lower()} of the {others + 1} networks on the front that are within "
        f"{why['within']:g} standard errors of the best score, and so count as equal."
        if others
        else f"No other network on the front is within {why['within']:g} standard errors of its score."
    )
    (shared,) = (row for row in result["front"] if row["id"] == best["id"])
    optimism = (
        "With the weights that the search evaluated, in float32, the part of the validation split that selected it "
        f"gave {written(score, shared[score])} and the part that confirms {written(metric, shared[metric])}"
        f"{_optimism(metric, shared)}."
    )
    alike = f"No other network on the front differs from the best of the {why['of']} by more than chance explains."
    return [reason, optimism, *([alike] if why["of"] > 1 and not why["differ"] else [])]


_ORIGINS = {"score": "by its score", "scaled alike": "as the largest one scaled alike", "random": "as a random draw"}


def _finish(why: Mapping[str, Any], best: Mapping[str, Any], metric: str) -> str:
    """How the network came through the last round."""
    entrants: Sequence[Mapping[str, Any]] = why["finish"]
    (won,) = (row for row in entrants if row["id"] == best["id"])
    shared = written(metric, won[f"shared_{metric}"])
    if not why["trained"] and not any(f"rung_1_{metric}" in row for row in entrants):
        return f"It keeps the weights of the supernet ({shared}): no time was left to train on."
    if not why["trained"]:
        return f"It keeps the weights of the supernet ({shared}): training on by itself made no network better."
    many = len(entrants) > 1
    which = f"is the best of {len(entrants)} networks that trained on by themselves" if many else "trained on by itself"
    return (
        f"It {which}, entered {_ORIGINS[won['origin']]}, and went from {shared} to "
        f"{written(metric, won[f'finished_{metric}'])} on a part of the validation split that chose "
        "among these alone."
    )


def _by_score(result: Mapping[str, Any]) -> str:
    """Of an evaluator that does not compare networks example by example."""
    count, score = result["selection"]["of"], result["score"]
    among = f"the best of the {count} networks on the front" if count > 1 else "the only network on the front"
    return (
        f"Evaluator '{result['evaluator']}' has it for {among}, with {label(score).lower()} "
        f"{written(score, result['best'][score])}; how sure that is cannot be told."
    )


def _optimism(metric: str, shared: Mapping[str, Any]) -> str:
    """The difference between both parts, where the one that selected it was kinder."""
    if shared["optimism"] <= 0:
        return ", where it is no worse"
    return f"; the difference of {points(metric, shared['optimism'])} is optimism"


def _luck(result: Mapping[str, Any], tested: str) -> list[str]:
    """What random draws find beside the chosen network; both as evaluated where that is not delivered."""
    draw = result.get("random")
    if not draw:
        return []
    latency = " (predicted latency)" if draw.get("latency_source") == "predicted" else ""
    taken = (
        f"he best of {counted(draw['draws'], 'random draw')} under the same constraints on costs{latency}, taken by "
        "the same rule"
    )
    if tested not in draw:
        score = result["score"]
        found, chosen = (written(score, row[score]) for row in (draw, draw["chosen"]))
        return [f"T{taken}: {label(score).lower()} {found}; the chosen network has {chosen}."]
    luck = f"{taken}: {label(tested).lower()} {_with_interval(draw, tested)}"
    maximise = result["objective"].startswith("maximise")
    if "chosen" not in draw:
        return [f"T{luck}.{_verdict(result['best'], draw, tested, maximise)}"]
    return [
        f"With the weights that the search evaluated, in float32, t{luck}; the chosen network has "
        f"{_with_interval(draw['chosen'], tested)} with these."
        f"{_verdict(draw['chosen'], draw, tested, maximise)}"
    ]


def _verdict(chosen: Mapping[str, Any], draw: Mapping[str, Any], tested: str, maximise: bool) -> str:
    """A word where the intervals of both overlap, and where the draw is better; nothing where the search has paid."""
    low, high = f"{tested}_low", f"{tested}_high"
    if chosen.get(low) is None or draw.get(low) is None:
        return ""
    if draw[low] <= chosen[high] and chosen[low] <= draw[high]:
        return " Their intervals overlap: no difference is shown."
    if (draw[tested] > chosen[tested]) == maximise:
        return " The draw is better: the search has not paid; train longer, or look at what it went by."
    return ""


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    """A figure with its 95 % interval, where that is known."""
    if row.get(f"{name}_low") is None:
        return written(name, row[name])
    low, high = (written(name, row[f"{name}_{side}"]) for side in ("low", "high"))
    return f"{written(name, row[name])} ({low} to {high})"
