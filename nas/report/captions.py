"""The sentences under the figures, computed from what the figures show. Plain text, not yet escaped."""

import math
import statistics

import numpy as np

from nas.report.content import ReportContent, column, flags, latency_source, number
from nas.report.figures import MOST_POINTS
from nas.report.progress import best_so_far, expected_best
from nas.report.quantities import in_sentence, label, written
from nas.wording import counted

__all__ = ["front_caption", "history_caption", "training_caption", "two_figures"]


def front_caption(content: ReportContent) -> str:
    """How many candidates there are, and what the marks mean."""
    feasible = int(flags(content.candidates, "feasible").sum())
    sentences = [f"{counted(len(content.candidates), 'candidate')}, {feasible:,} of them feasible; the front has "]
    sentences[0] += f"{counted(len(content.front), 'network')}."
    if content.cost == "latency_ms":
        sentences += [f"Latency is {latency_source(content)} for the front, the chosen and the largest, "]
        sentences[-1] += "and predicted for other candidates."
    bars = ["95% interval of the score"] if any(f"{content.score}_low" in row for row in content.front) else []
    bars += ["median absolute deviation of the latency"] if content.cost == "latency_ms" else []
    sentences += [f"Bars: {', '.join(bars)}."] if bars else []
    sentences += [two_figures(content)] if f"shared_{content.metric}" in content.best else []
    if not content.maximise:
        sentences += [f"{label(content.score.removeprefix('selection_'))}: less is better."]
    if max(len(content.candidates), len(content.random)) > MOST_POINTS:
        sentences += [f"Clouds of more than {MOST_POINTS:,} points are thinned evenly."]
    return " ".join(sentences)


def two_figures(content: ReportContent) -> str:
    """Why the chosen network has one figure at the head of the page and another here."""
    searched, name = content.score, content.metric
    before, after = written(searched, number(content.best, searched)), written(name, number(content.best, name))
    return (
        f"Scores here are with the weights of the supernet, with which the chosen network has {in_sentence(searched)} "
        f"{before}; it then trained by itself, and what is delivered has {in_sentence(name)} {after}."
    )


def history_caption(content: ReportContent) -> str:
    """What the search found, and what luck finds on average with as many evaluations."""
    scores, feasible = column(content.candidates, content.score), flags(content.candidates, "feasible")
    found = best_so_far(scores, feasible, content.maximise)
    luck = expected_best(column(content.random, content.score), content.maximise)
    if not len(found) or np.isnan(found[-1]):
        return "No feasible candidate was evaluated."
    name = label(content.score).lower()
    sentence = f"Best feasible {name} after {counted(len(found), 'evaluation')}: {written(content.score, found[-1])}."
    if not len(luck):
        return f"{sentence} No random draws were evaluated to compare with."
    k = min(len(found), len(luck))
    pair = f"{written(content.score, luck[k - 1])}, the search {written(content.score, found[k - 1])}"
    return (
        f"{sentence} After {k:,}, random draws are expected to reach {pair}. "
        f"The dotted line is the exact mean of the best of k of the {counted(len(luck), 'random draw')}."
    )


def training_caption(content: ReportContent) -> str:
    """Epochs and speed."""
    speeds = [number(epoch, "images_per_second") for epoch in content.epochs]
    speeds = [speed for speed in speeds if not math.isnan(speed)]
    sentence = f"{counted(len(content.epochs), 'epoch')}."
    return f"{sentence} {statistics.median(speeds):,.0f} {content.examples}/s in the median." if speeds else sentence
