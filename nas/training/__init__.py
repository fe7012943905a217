"""Which paths a step trains, with which loss, and the loop around it."""

from nas.training.bank_paths import InBanks
from nas.training.checkpoint import has_ended, load_checkpoint, read_header, restore, save_checkpoint, state_of
from nas.training.context import Context, Path
from nas.training.cost_terms import AddedCost, CostFunction, LogCost, ScaledLoss, TargetCost
from nas.training.cuts import ByGradients, Cut, EveryCandidate, with_cuts
from nas.training.estimators import BilevelProblem, Estimator, first_order, unrolled
from nas.training.fingerprints import check_fingerprint, fingerprint
from nas.training.learning import Learning
from nas.training.listener import Listener
from nas.training.loop import Epoch, train, train_phases
from nas.training.objectives import CrossEntropy, Distillation, Entropy, Forward, InPlaceDistillation, LossTerm
from nas.training.paths import Fair, PathSampler, Sandwich, Uniform
from nas.training.phase import Phase, total_epochs
from nas.training.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.relaxed_step import DerivationRule, RelaxedStep
from nas.training.self_distillation import SelfDistillation
from nas.training.steps import Pass, PlainStep, Step, SupernetStep
from nas.training.streams import BatchStream
from nas.training.validation_scores import ValidationScores

__all__ = [
    "AddedCost",
    "BatchStream",
    "BilevelProblem",
    "ByGradients",
    "Context",
    "CostFunction",
    "CrossEntropy",
    "Cut",
    "DerivationRule",
    "Distillation",
    "Entropy",
    "Epoch",
    "Estimator",
    "EveryCandidate",
    "Fair",
    "Forward",
    "InBanks",
    "InPlaceDistillation",
    "Learning",
    "Listener",
    "LogCost",
    "LossTerm",
    "Pass",
    "Path",
    "PathSampler",
    "Phase",
    "PlainStep",
    "Ranks",
    "Recipe",
    "RelaxedStep",
    "Sandwich",
    "ScaledLoss",
    "SelfDistillation",
    "Step",
    "SupernetStep",
    "TargetCost",
    "Uniform",
    "ValidationScores",
    "check_fingerprint",
    "fingerprint",
    "first_order",
    "has_ended",
    "load_checkpoint",
    "read_header",
    "restore",
    "save_checkpoint",
    "state_of",
    "total_epochs",
    "train",
    "train_phases",
    "unrolled",
    "with_cuts",
]
