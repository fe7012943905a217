"""Encodings of architectures become predicted numbers with their spread. No torch here."""

from nas.predictors.linear import LinearPredictor, PredictionErrors

__all__ = ["LinearPredictor", "PredictionErrors"]
