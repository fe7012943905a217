"""Strategies that let a model of the results choose what comes next."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.search.guided.encodings import ENCODINGS as ENCODINGS, one_hot as one_hot, ordinal as ordinal
    from nas.search.guided.integer_programming import AtMost as AtMost, SumProgram as SumProgram
    from nas.search.guided.model_guided import Learn as Learn, ModelGuided as ModelGuided, Rank as Rank
    from nas.search.guided.path_encoding import paths as paths
    from nas.search.guided.surrogates import SURROGATES as SURROGATES, Surrogate as Surrogate

lazy(__name__)
