"""Mixture-of-supernets: the weights of a subnet are mixed from experts by its architecture."""

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases
from nas.sharing import RoutedExperts

__all__ = ["MIXTURE_OF_SUPERNETS"]

MIXTURE_OF_SUPERNETS = Method(
    name="mixture-of-supernets",
    family="mixture",
    paper="Jawahar et al., Mixture-of-supernets: Improving weight-sharing supernet training with "
    "architecture-routed mixture-of-experts, 2023",
    summary="sandwich rule with in-place distillation; routers mix the feed-forward weights for each architecture",
    phases=lambda problem: sandwich_phases(problem, random=1),
    recipe={"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.01, "clip": 1.0},
    sharing=RoutedExperts,
)
