"""What a run says of its banks: before a training that is too short, and after it whether they came to differ."""

from collections.abc import Sequence

from nas.sharing import BalancedMixture, Sharing
from nas.training import Epoch, Phase
from nas.training.phase import spans

__all__ = ["banks_notes", "budget_notes"]

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


def banks_notes(history: Sequence[Epoch]) -> list[str]:
    """After the training of a balanced mixture: what its banks became, and whether most scores were never told."""
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
    return notes
