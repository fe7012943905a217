"""Published methods, assembled from the parts of this package."""

import pkgutil

from nas.methods.method import Method, Retrain
from nas.parts import Slot

__all__ = ["METHODS", "Method", "Retrain"]

_SHIPPED = {
    "bignas": "nas.methods.bignas:BIGNAS",
    "spos": "nas.methods.spos:SPOS",
    "fairnas": "nas.methods.fairnas:FAIRNAS",
    "darts": "nas.methods.darts:DARTS",
    "darts-2nd": "nas.methods.darts_2nd:DARTS_2ND",
    "gdas": "nas.methods.gdas:GDAS",
    "snas": "nas.methods.snas:SNAS",
    "pc-darts": "nas.methods.pc_darts:PC_DARTS",
    "proxyless": "nas.methods.proxyless:PROXYLESS",
    "dropnas": "nas.methods.dropnas:DROPNAS",
    "sd-darts": "nas.methods.sd_darts:SD_DARTS",
    "sharpdarts": "nas.methods.sharpdarts:SHARPDARTS",
    "darts-pt": "nas.methods.darts_pt:DARTS_PT",
    "single-path": "nas.methods.single_path:SINGLE_PATH",
    "tanglenas": "nas.methods.tanglenas:TANGLENAS",
    "tas": "nas.methods.tas:TAS",
    "balanced-mixture": "nas.methods.balanced_mixture:BALANCED_MIXTURE",
    "few-shot": "nas.methods.few_shot:FEW_SHOT",
    "gradient-matching": "nas.methods.gradient_matching:GRADIENT_MATCHING",
    "mixture-of-supernets": "nas.methods.mixture_of_supernets:MIXTURE_OF_SUPERNETS",
    "layer-tying": "nas.methods.layer_tying:LAYER_TYING",
}

METHODS: Slot[Method] = Slot(
    "method", "nas.methods", _SHIPPED, lambda part: isinstance(part, Method), "a nas.methods.Method"
)


def __getattr__(name: str) -> Method:
    """The shipped methods by the names of their constants, such as ``nas.methods.BIGNAS``."""
    for reference in _SHIPPED.values():
        if reference.endswith(f":{name}"):
            method: Method = pkgutil.resolve_name(reference)
            return method
    raise AttributeError(f"module 'nas.methods' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, *(reference.partition(":")[2] for reference in _SHIPPED.values())]
