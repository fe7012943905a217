"""Encodings of architectures become predicted numbers with their spread. No torch here."""

from nas.predictors.architecture_predictor import PREDICTORS, ArchitecturePredictor, Predictor
from nas.predictors.block_table import BlockTable, BlockValues
from nas.predictors.choosing import choose_diverse, choose_uncertain
from nas.predictors.encoding import Batch, Encoding
from nas.predictors.features import Features
from nas.predictors.linear import LinearPredictor
from nas.predictors.lookup import LookupPredictor
from nas.predictors.regression import RegressionPredictor
from nas.predictors.samples import PredictionErrors, prediction_errors
from nas.predictors.transfer import TransferPredictor

__all__ = [
    "PREDICTORS",
    "ArchitecturePredictor",
    "Batch",
    "BlockTable",
    "BlockValues",
    "Encoding",
    "Features",
    "LinearPredictor",
    "LookupPredictor",
    "PredictionErrors",
    "Predictor",
    "RegressionPredictor",
    "TransferPredictor",
    "choose_diverse",
    "choose_uncertain",
    "prediction_errors",
]
