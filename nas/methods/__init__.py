"""One named recipe for each published system, assembled from the parts below this layer."""

from nas.errors import UsageError, did_you_mean
from nas.methods.balanced_mixture import BALANCED_MIXTURE
from nas.methods.bignas import BIGNAS
from nas.methods.darts import DARTS
from nas.methods.darts_2nd import DARTS_2ND
from nas.methods.darts_pt import DARTS_PT
from nas.methods.dropnas import DROPNAS
from nas.methods.fairnas import FAIRNAS
from nas.methods.few_shot import FEW_SHOT
from nas.methods.gdas import GDAS
from nas.methods.gradient_matching import GRADIENT_MATCHING
from nas.methods.layer_tying import LAYER_TYING
from nas.methods.method import Budget, Method, Retrain, Setting, Trained
from nas.methods.mixture_of_supernets import MIXTURE_OF_SUPERNETS
from nas.methods.pc_darts import PC_DARTS
from nas.methods.proxyless import PROXYLESS
from nas.methods.sd_darts import SD_DARTS
from nas.methods.sharpdarts import SHARPDARTS
from nas.methods.single_path import SINGLE_PATH
from nas.methods.snas import SNAS
from nas.methods.spos import SPOS
from nas.methods.tanglenas import TANGLENAS
from nas.methods.tas import TAS

__all__ = ["METHODS", "Budget", "Method", "Retrain", "Setting", "Trained", "method"]

_ALL = (
    BIGNAS,
    SPOS,
    FAIRNAS,
    DARTS,
    DARTS_2ND,
    GDAS,
    SNAS,
    PC_DARTS,
    PROXYLESS,
    DROPNAS,
    SD_DARTS,
    SHARPDARTS,
    DARTS_PT,
    SINGLE_PATH,
    TANGLENAS,
    TAS,
    BALANCED_MIXTURE,
    FEW_SHOT,
    GRADIENT_MATCHING,
    MIXTURE_OF_SUPERNETS,
    LAYER_TYING,
)

METHODS = {each.name: each for each in _ALL}


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f"method '{name}' is not known; {did_you_mean(name, METHODS)}")
    return METHODS[name]
