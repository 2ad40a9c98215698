"""Recommending: histories in people's words, predictions, ranked lists, reasons, and what hidden units stand for."""

from .catalogue import Catalogue
from .history import History
from .recommender import Recommender
from .results import Explanation, Prediction, Reason, Recommendation, SimilarItem, UnitDescription

__all__ = [
    "Catalogue",
    "Explanation",
    "History",
    "Prediction",
    "Reason",
    "Recommendation",
    "Recommender",
    "SimilarItem",
    "UnitDescription",
]
