"""Strategies compared on a table of results or a function: many seeds each, recorded, summarised, tested, drawn."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.benchmark.comparison import compare as compare
    from nas.benchmark.question import Question as Question, benchmark_question as benchmark_question

lazy(__name__)
