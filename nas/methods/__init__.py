"""Published methods, assembled from the parts of this package."""

from typing import TYPE_CHECKING, Any

from nas.lazy_imports import lazy
from nas.parts import Slot

if TYPE_CHECKING:
    from nas.methods.alphanet import ALPHANET as ALPHANET
    from nas.methods.attention_atoms import ATTENTION_ATOMS as ATTENTION_ATOMS
    from nas.methods.attentivenas import ATTENTIVENAS as ATTENTIVENAS
    from nas.methods.balanced_mixture import BALANCED_MIXTURE as BALANCED_MIXTURE
    from nas.methods.bignas import BIGNAS as BIGNAS
    from nas.methods.darts import DARTS as DARTS
    from nas.methods.darts_2nd import DARTS_2ND as DARTS_2ND
    from nas.methods.darts_pt import DARTS_PT as DARTS_PT
    from nas.methods.dropnas import DROPNAS as DROPNAS
    from nas.methods.eeea import EEEA as EEEA
    from nas.methods.elasticvit import ELASTICVIT as ELASTICVIT
    from nas.methods.fairnas import FAIRNAS as FAIRNAS
    from nas.methods.few_shot import FEW_SHOT as FEW_SHOT
    from nas.methods.gdas import GDAS as GDAS
    from nas.methods.gradient_matching import GRADIENT_MATCHING as GRADIENT_MATCHING
    from nas.methods.hashed_bank import HASHED_BANK as HASHED_BANK
    from nas.methods.latency_pruning import LATENCY_PRUNING as LATENCY_PRUNING
    from nas.methods.layer_tying import LAYER_TYING as LAYER_TYING
    from nas.methods.lighthubert import LIGHTHUBERT as LIGHTHUBERT
    from nas.methods.matformer import MATFORMER as MATFORMER
    from nas.methods.method import Method as Method
    from nas.methods.mixture_of_supernets import MIXTURE_OF_SUPERNETS as MIXTURE_OF_SUPERNETS
    from nas.methods.none import NONE as NONE
    from nas.methods.ofa import OFA as OFA
    from nas.methods.pa_da import PA_DA as PA_DA
    from nas.methods.pc_darts import PC_DARTS as PC_DARTS
    from nas.methods.proxyless import PROXYLESS as PROXYLESS
    from nas.methods.relaxed_tying import RELAXED_TYING as RELAXED_TYING
    from nas.methods.sd_darts import SD_DARTS as SD_DARTS
    from nas.methods.sharpdarts import SHARPDARTS as SHARPDARTS
    from nas.methods.shiftnas import SHIFTNAS as SHIFTNAS
    from nas.methods.single_path import SINGLE_PATH as SINGLE_PATH
    from nas.methods.slimmable import SLIMMABLE as SLIMMABLE
    from nas.methods.snas import SNAS as SNAS
    from nas.methods.sortednet import SORTEDNET as SORTEDNET
    from nas.methods.spos import SPOS as SPOS
    from nas.methods.supertickets import SUPERTICKETS as SUPERTICKETS
    from nas.methods.tanglenas import TANGLENAS as TANGLENAS
    from nas.methods.tas import TAS as TAS
    from nas.methods.universally_slimmable import UNIVERSALLY_SLIMMABLE as UNIVERSALLY_SLIMMABLE

# fmt: off
_NAMES = (
    "bignas", "alphanet", "attentivenas", "shiftnas", "elasticvit", "pa-da", "supertickets", "eeea",
    "spos", "fairnas", "darts", "darts-2nd", "gdas", "snas", "pc-darts", "proxyless", "dropnas",
    "sd-darts", "sharpdarts", "darts-pt", "single-path", "tanglenas", "tas", "balanced-mixture", "few-shot",
    "gradient-matching", "mixture-of-supernets", "layer-tying", "relaxed-tying", "attention-atoms", "hashed-bank",
    "sortednet", "slimmable", "universally-slimmable", "ofa", "matformer", "lighthubert", "none", "latency-pruning",
)
# fmt: on


def _fits(part: Any) -> bool:
    from nas.methods.lighthubert import LIGHTHUBERT as LIGHTHUBERT
    from nas.methods.matformer import MATFORMER as MATFORMER
    from nas.methods.method import Method

    return isinstance(part, Method)


METHODS: "Slot[Method]" = Slot(
    "method",
    "nas.methods",
    {name: f"nas.methods.{module}:{module.upper()}" for name in _NAMES for module in [name.replace("-", "_")]},
    _fits,
    "a nas.methods.Method",
    {
        "few-shot": "nas.methods.few_shot:few_shot_of",
        "gradient-matching": "nas.methods.gradient_matching:gradient_matching_of",
    },
)

lazy(__name__)
