"""One set of weights for all architectures."""

from nas.sharing.sharing import Sharing

__all__ = ["Shared"]


class Shared(Sharing):
    """Every architecture sees the weights of the model (single-path one-shot, Guo et al., 2020). The default."""

    name = "shared"
