"""The page about a ranking: the verdict, what it rests on, and the architectures that the supernet likes best."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.evaluation.ranking import cost_word
from nas.files import write_file
from nas.report.header import card
from nas.report.quantities import label, written
from nas.report.ranking_content import RankingContent, alike, measures
from nas.report.ranking_figures import TOP, epoch_figure, measure_figure, truth_figure
from nas.report.search_page import checked_path, page
from nas.report.sections import figure_with_caption, section, sortable
from nas.wording import counted

__all__ = ["RankingContent", "render_ranking_report", "write_ranking_report"]

_UNKNOWN = "\N{EN DASH}"


def write_ranking_report(path: str | Path, content: RankingContent) -> Path:
    """Write the page as one HTML file like :func:`nas.report.write_report`."""
    return write_file(checked_path(path), render_ranking_report(content))


def render_ranking_report(content: RankingContent) -> str:
    """The whole page as text."""
    record = content.record
    scatter = figure_with_caption("truth", truth_figure(content), _truth_caption(content), "")
    bars = figure_with_caption("measures", measure_figure(content), _measure_caption(record), "")
    sections = [section("The ranking, and what it must be compared with", bars)]
    sections.append(section("Scores against truth", scatter))
    if (epochs := epoch_figure(content)) is not None:
        caption = _epoch_caption(record["epochs"]["agreement"])
        sections.append(section("The last epochs", figure_with_caption("epochs", epochs, caption, "")))
    sections.append(section("The best by score", _top_table(content)))
    return page(content.title, content.summary, [record["verdict"], *record["notes"]], _cards(content), sections)


def _cards(content: RankingContent) -> str:
    """HTML of a card for each headline number."""
    record = content.record
    trust = {None: "trained once", True: "the truth can judge", False: "the truth cannot judge"}[record["judgeable"]]
    cards = [_estimate_card("Tau of the supernet", record["tau"], f"over {counted(record['count'], 'architecture')}")]
    if record["costs"]:
        name, cost = max(record["costs"].items(), key=lambda item: item[1]["tau"]["value"])
        cards.append(_estimate_card(f"Tau of {cost_word(name)} alone", cost["tau"], "without any training"))
        within = f"Tau within {alike(cost)} {cost_word(name)}"
        cards.append(_estimate_card(within, cost["within"], "where counting tells little"))
    cards.append(_estimate_card("Ceiling", record["ceiling"], trust))
    for k, rank in list(record["best_rank"].items())[:1]:
        lost = (
            f"{record['regret'][k]:.3g} worse than the best {content.truth}; "
            f"{record['better_than_random']:.0%} likely as good as the best of ten random draws"
        )
        cards.append(
            card("True rank of the best by score", f"{rank:.3g}", f"of {record['count']:,}", html.escape(lost))
        )
    for k, share in list(record["precision"].items())[-1:]:
        cards.append(card(f"Precision at {k}", f"{share:.0%}", "", "of the best by score are among the best"))
    return "".join(cards)


def _estimate_card(title: str, found: Mapping[str, float | None] | None, about: str) -> str:
    if found is None or found["value"] is None:
        return card(title, _UNKNOWN, "", html.escape(about))
    interval = f"95% interval {found['low']:.2f} to {found['high']:.2f}"
    return card(title, f"{found['value']:.3f}", "", f"{interval}<br>{html.escape(about)}")


def _truth_caption(content: RankingContent) -> str:
    trainings = content.record["trainings"]
    repeats = f"the mean of {trainings} independent trainings" if trainings > 1 else "one training each"
    return f"{counted(content.record['count'], 'architecture')}; the truth is {repeats}."


def _measure_caption(record: Mapping[str, Any]) -> str:
    strata = "; ".join(_strata(name, cost) for name, cost in record["costs"].items())
    unknown = [name for name, found in measures(record).items() if found is None or found["value"] is None]
    sentences = [
        "Bars: 95% interval over architectures. 1 is the true order, 0 is chance.",
        *([f"{strata[0].upper()}{strata[1:]}."] if strata else ()),
        *([f"Not known: {', '.join(unknown)}."] if unknown else ()),
    ]
    return " ".join(sentences)


def _epoch_caption(agreement: Mapping[str, Any] | None) -> str:
    sentence = "Each point is the supernet after one epoch; a ranking that changes between epochs is partly luck."
    if agreement is None:
        return sentence
    return (
        f"{sentence} Two of these epochs rank alike with tau {agreement['mean']:.2f} on average; a score differs "
        f"between them by {agreement['deviation']:.2g} (standard deviation)."
    )


def _strata(name: str, cost: Mapping[str, Any]) -> str:
    kind = "values" if alike(cost) == "equal" else "quantiles"
    return f"{alike(cost)} {cost_word(name)}: of {cost['strata']} {kind}"


def _top_table(content: RankingContent) -> str:
    """HTML: the best by score with their true ranks."""
    metric, costs = content.record["metric"], [name for name in content.record["costs"] if name in content.table]
    heads = ["By score", "In truth", "#", label(metric), content.truth, *map(label, costs), "Architecture"]
    rows = (
        f"<tr>{_cell(row['score_rank'])}{_cell(row['truth_rank'])}<td>{html.escape(str(row['id']))}</td>"
        f"{_cell(row['score'], written(metric, row['score']))}{_cell(row['truth'])}"
        f"{''.join(_cell(row[name], written(name, row[name])) for name in costs)}"
        f'<td class="architecture" tabindex="0"><code>{html.escape(str(row["architecture"]))}</code></td></tr>'
        for row in content.table.head(TOP).to_dict("records")
    )
    return sortable("top-table", heads, rows)


def _cell(value: float, text: str | None = None) -> str:
    shown = f"{value:,.6g}" if text is None else text
    return f'<td class="number" data-order="{float(value)!r}">{html.escape(shown)}</td>'
