"""One self-contained HTML page that shows what a search found. Nothing here reads a run folder or needs torch."""

from nas.report.content import ReportContent
from nas.report.page import write_report

__all__ = ["ReportContent", "write_report"]
