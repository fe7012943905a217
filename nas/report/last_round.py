"""How the networks of the last round did on validation while they trained on by themselves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.content import number
from nas.report.plotting import BLUE, COLORS, Figure, layout, scatter
from nas.report.quantities import in_sentence
from nas.wording import counted

__all__ = ["last_round_caption", "last_round_figure"]

_OTHERS = COLORS[1:]


def last_round_figure(entrants: Sequence[Mapping[str, Any]], metric: str, chosen: str) -> Figure | None:
    """A line for each network, from the weights of the supernet over the rungs to the end; None where none trained.

    Args:
        entrants: rows with ``id``, ``origin`` and any of ``shared_<metric>``, ``rung_<n>_<metric>`` and
            ``finished_<metric>``.
        chosen: id of the network that is delivered.
    """
    rungs = {name for row in entrants for name in row if name.startswith("rung_")}
    names = [f"shared_{metric}", *(f"rung_{n}_{metric}" for n in range(1, len(rungs) + 1)), f"finished_{metric}"]
    called = dict(zip(names, ["supernet", *(f"rung {n}" for n in range(1, len(rungs) + 1)), "end"], strict=True))
    traces = []
    for index, row in enumerate(entrants):
        known = [(called[name], value) for name in names if not math.isnan(value := number(row, name))]
        color, width = (BLUE, 3) if row["id"] == chosen else (_OTHERS[index % len(_OTHERS)], 1.5)
        line = scatter(f"{row['id']}, {row['origin']}", [], [value for _, value in known], "lines+markers")
        traces.append(line | {"x": [when for when, _ in known], "line": {"color": color, "width": width}})
    if all(len(trace["x"]) < 2 for trace in traces):
        return None
    frame = layout("trained", metric)
    frame["xaxis"] |= {"type": "category", "categoryarray": list(called.values()), "tickformat": ""}
    return {"data": traces, "layout": frame}


def last_round_caption(entrants: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Whose figures they are."""
    return (
        f"{counted(len(entrants), 'network')} entered; after each rung the better half goes on. The "
        f"{in_sentence(metric)} is of the part of the validation split that chooses among these alone: neither the one "
        "that selected nor the one that confirms."
    )
