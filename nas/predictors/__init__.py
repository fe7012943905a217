"""Encodings of architectures become predicted numbers with their spread. No torch here."""

from nas.predictors.linear import LinearPredictor
from nas.predictors.regression import RegressionPredictor
from nas.predictors.samples import PredictionErrors
from nas.predictors.transfer import TransferPredictor, choose_diverse

__all__ = ["LinearPredictor", "PredictionErrors", "RegressionPredictor", "TransferPredictor", "choose_diverse"]
