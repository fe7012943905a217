"""Self-contained HTML pages of what a search or a profile found. Nothing here reads a run folder or needs torch."""

from nas.report.content import ReportContent
from nas.report.latency import LatencyContent
from nas.report.search_page import write_latency_report, write_report

__all__ = ["LatencyContent", "ReportContent", "write_latency_report", "write_report"]
