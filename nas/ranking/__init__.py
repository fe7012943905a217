"""How well a trained supernet ranks architectures, against what stand-alone training found."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.ranking.run import rank_runs as rank_runs

lazy(__name__)
