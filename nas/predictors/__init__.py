"""Encodings of architectures become predicted numbers with their spread. No torch here."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.predictors.architecture_predictor import ArchitecturePredictor as ArchitecturePredictor
    from nas.predictors.block_table import BlockTable as BlockTable, BlockValues as BlockValues
    from nas.predictors.choosing import choose_diverse as choose_diverse, choose_uncertain as choose_uncertain
    from nas.predictors.encoding import Batch as Batch, Encoding as Encoding
    from nas.predictors.features import Features as Features
    from nas.predictors.linear import LinearPredictor as LinearPredictor
    from nas.predictors.lookup import LookupPredictor as LookupPredictor
    from nas.predictors.predictor import PREDICTORS as PREDICTORS, Predictor as Predictor
    from nas.predictors.regression import RegressionPredictor as RegressionPredictor
    from nas.predictors.samples import PredictionErrors as PredictionErrors, prediction_errors as prediction_errors
    from nas.predictors.transfer import TransferPredictor as TransferPredictor

lazy(__name__)
