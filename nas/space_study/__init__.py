"""Spaces compared by what random architectures of them are worth: error distributions, and which choices move them."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.space_study.population import Population as Population, read_population as read_population
    from nas.space_study.study import compare_populations as compare_populations

lazy(__name__)
