"""Self-contained HTML pages of what a search or a profile found. Nothing here reads a run folder or needs torch."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.report.content import ReportContent as ReportContent
    from nas.report.latency import LatencyContent as LatencyContent
    from nas.report.search_page import write_latency_report as write_latency_report, write_report as write_report

lazy(__name__)
