"""Which paths a step trains, with which loss, and the loop around it."""

from nas.training.checkpoint import load_checkpoint, restore, save_checkpoint
from nas.training.loop import Epoch, train
from nas.training.objectives import CrossEntropy, Forward, InPlaceDistillation, LossTerm
from nas.training.paths import Fair, Path, PathSampler, Sandwich, Uniform
from nas.training.recipe import Recipe
from nas.training.steps import PlainStep, SupernetStep

__all__ = [
    "CrossEntropy",
    "Epoch",
    "Fair",
    "Forward",
    "InPlaceDistillation",
    "LossTerm",
    "Path",
    "PathSampler",
    "PlainStep",
    "Recipe",
    "Sandwich",
    "SupernetStep",
    "Uniform",
    "load_checkpoint",
    "restore",
    "save_checkpoint",
    "train",
]
