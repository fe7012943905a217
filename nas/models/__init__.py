"""Models that somebody has, found by name, given their weights and made elastic."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.models.checkpoint_files import digest_of as digest_of
    from nas.models.constructors import build_model as build_model, names_own_code as names_own_code
    from nas.models.nni_space import from_nni as from_nni
    from nas.models.space import elastic_space as elastic_space
    from nas.models.weights import load_weights as load_weights

lazy(__name__)
