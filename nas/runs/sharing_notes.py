"""What a run says of its sharing scheme: before the training, after it, and of what is delivered."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.sharing import BalancedMixture, Sharing, Tied
from nas.training import Epoch, Phase
from nas.training.phase import spans

__all__ = ["banks_notes", "budget_notes", "storage_notes", "ties_notes"]

_ENOUGH = 50
_MOST_UNTRIED = 0.25


def budget_notes(sharing: Sharing, phases: Sequence[Phase]) -> list[str]:
    """A sentence where the scores of a balanced mixture will be told too seldom to mean anything."""
    if not isinstance(sharing, BalancedMixture) or sharing.scoring == "table" or sharing.models == 1:
        return []
    last = spans(phases)[-1]
    tellings, rows = sharing.tellings(last.end_step, last.end), len(sharing.scores)
    if tellings >= _ENOUGH:
        return []
    return [
        f"Each of the {rows:,} x {sharing.models} scores by which banks are drawn will be told {tellings:.3g} times, "
        f"and needs {_ENOUGH} to mean anything; give more training.epochs, or name fewer choices with "
        "sharing_args.choices."
    ]


def ties_notes(sharing: Sharing) -> list[str]:
    """A sentence where layers are tied: when it is decided which."""
    if not isinstance(sharing, Tied):
        return []
    return [
        "Which layers share weights is searched after the training, not learnt by it: every step trains ties that are "
        "drawn, so the weights suit all of them."
    ]


def storage_notes(best: Mapping[str, Any]) -> list[str]:
    """A sentence where the delivered file holds more than what the layers of its network share.

    Args:
        best: the row of the delivered network.
    """
    params, stored = best["params"], best.get("stored_params", best["params"])
    if stored >= params:
        return []
    return [
        f"{best['file']['name']} holds full weights, {params:,} parameters; where what layers share is kept once, with "
        f"their differences, those of the supernet are {stored:,.0f} (stored_params)."
    ]


def banks_notes(history: Sequence[Epoch]) -> list[str]:
    """After the training of a mixture: what its banks became, and whether most scores were never told."""
    last, notes = history[-1] if history else {}, list[str]()
    if (untried := last.get("untried_scores", 0.0)) > _MOST_UNTRIED:
        notes.append(
            f"{untried:.0%} of the scores that say which weights an architecture sees were never told anything; "
            "train longer, or name fewer choices with sharing_args.choices."
        )
    banks = len(last.get("paths_by_bank", []))
    if (found := last.get("mixture")) and banks > 1:
        notes.append(
            f"Banks: a score was told {found['tellings']:.3g} times; architectures had {found['own_share']:.0%} of "
            f"their steps in their final bank (chance {1 / banks:.0%}); {found['changed_late']:.0%} of them changed it "
            f"in the last tenth; there their validation score is {100 * found['own_ahead']:+.1f} points against the "
            "other banks."
        )
    if routing := last.get("routing"):
        notes.append(
            f"Experts: gates of two architectures differ in {routing['gates']:.1%} of their weight (0% where routing "
            f"takes no notice of them), and experts are {routing['experts']:.2f} of their size apart (copies 0, "
            "unrelated weights 1)."
        )
    return notes
