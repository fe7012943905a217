"""What came of a retraining: one sentence, for the terminal and for the report of the run."""

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.files import write_file
from nas.report.quantities import label, written

__all__ = ["note_retraining", "retraining_sentence"]

_NOTE = re.compile(r'<li class="note retraining">.*?</li>', re.DOTALL)
_NOTES = '<ul class="notes">'


def retraining_sentence(metric: str, retrained: Mapping[str, Any]) -> str:
    """Which network the run hands over now, and how it compares with the other.

    Args:
        metric: name of the metric that judged them.
        retrained: of ``best.json``.
    """
    name, tested = label(metric).lower(), f"test_{metric}"
    scores = f"{name} {written(metric, retrained['after'])}, where the file had {written(metric, retrained['before'])}"
    if not retrained["delivered"]:
        return f"Retraining found nothing better than the network that best.onnx holds, which stays: {scores} before."
    return (
        f"best.onnx holds {retrained['id']}, retrained from {retrained['start']} weights: {scores} before; "
        f"{written(tested, retrained[tested])} on the test split. The former file is kept as {retrained['former']}."
    )


def note_retraining(report: Path, sentence: str) -> None:
    """Puts the sentence before all else in the page of a run, in place of that of an earlier retraining."""
    page = _NOTE.sub("", report.read_text(encoding="utf-8"))
    note = f'{_NOTES}<li class="note retraining">{html.escape(sentence)}</li>'
    write_file(report, page.replace(_NOTES, note, 1))
