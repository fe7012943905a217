"""How good is an architecture?"""

from nas.evaluation.evaluators import EVALUATORS, Evaluator, MakesNetworks, TalliesExamples
from nas.evaluation.exactness import check_extraction, check_verdict
from nas.evaluation.hessian import sharpness
from nas.evaluation.inference import check_inference, check_memory
from nas.evaluation.metrics import evaluate, groups_of
from nas.evaluation.recalibration import recalibrate
from nas.evaluation.shared_weights import SharedWeights
from nas.evaluation.standalone import Standalone
from nas.evaluation.trie import Trie

__all__ = [
    "EVALUATORS",
    "Evaluator",
    "MakesNetworks",
    "SharedWeights",
    "Standalone",
    "TalliesExamples",
    "Trie",
    "check_extraction",
    "check_inference",
    "check_memory",
    "check_verdict",
    "evaluate",
    "groups_of",
    "recalibrate",
    "sharpness",
]
