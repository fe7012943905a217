"""Which paths a step trains, with which loss, and the loop around it."""

from nas.training.bank_paths import InBanks
from nas.training.checkpoint import load_checkpoint, read_header, restore, save_checkpoint, state_of
from nas.training.cost_terms import AddedCost, Cost, LogCost, ScaledLoss, TargetCost
from nas.training.estimators import BilevelProblem, Estimator, first_order, unrolled
from nas.training.feedback import Feedback
from nas.training.fingerprint import check_fingerprint, fingerprint
from nas.training.learning import Learning
from nas.training.loop import Epoch, train
from nas.training.objectives import CrossEntropy, Distillation, Entropy, Forward, InPlaceDistillation, LossTerm
from nas.training.paths import Fair, Path, PathSampler, Sandwich, Uniform
from nas.training.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.relaxed_step import RelaxedStep, Rule
from nas.training.self_distillation import SelfDistillation
from nas.training.splitting import ByGradients, EveryCandidate, Splitting
from nas.training.steps import PlainStep, Step, SupernetStep
from nas.training.streams import BatchStream
from nas.training.validation_scores import ValidationScores

__all__ = [
    "AddedCost",
    "BatchStream",
    "BilevelProblem",
    "ByGradients",
    "Cost",
    "CrossEntropy",
    "Distillation",
    "Entropy",
    "Epoch",
    "Estimator",
    "EveryCandidate",
    "Fair",
    "Feedback",
    "Forward",
    "InBanks",
    "InPlaceDistillation",
    "Learning",
    "LogCost",
    "LossTerm",
    "Path",
    "PathSampler",
    "PlainStep",
    "Ranks",
    "Recipe",
    "RelaxedStep",
    "Rule",
    "Sandwich",
    "ScaledLoss",
    "SelfDistillation",
    "Splitting",
    "Step",
    "SupernetStep",
    "TargetCost",
    "Uniform",
    "ValidationScores",
    "check_fingerprint",
    "fingerprint",
    "first_order",
    "load_checkpoint",
    "read_header",
    "restore",
    "save_checkpoint",
    "state_of",
    "train",
    "unrolled",
]
