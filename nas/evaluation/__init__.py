"""How good is an architecture?"""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.evaluation.evaluators import (
        EVALUATORS as EVALUATORS,
        Evaluator as Evaluator,
        MakesNetworks as MakesNetworks,
        TalliesExamples as TalliesExamples,
    )
    from nas.evaluation.exactness import check_extraction as check_extraction, check_verdict as check_verdict
    from nas.evaluation.hessian import sharpness as sharpness
    from nas.evaluation.inference import check_inference as check_inference, check_memory as check_memory
    from nas.evaluation.metrics import evaluate as evaluate, groups_of as groups_of
    from nas.evaluation.recalibration import recalibrate as recalibrate
    from nas.evaluation.shared_weights import SharedWeights as SharedWeights
    from nas.evaluation.standalone import Standalone as Standalone
    from nas.evaluation.trie import Trie as Trie

lazy(__name__)
