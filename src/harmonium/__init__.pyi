from . import data, errors, estimators, evaluation, models, recommending, training, units
from ._version import __version__
from .data import (
    Interactions,
    Ratings,
    Scale,
    StoredRatings,
    Titles,
    Vocabulary,
    last_n_split,
    load,
    per_user_split,
    random_split,
    read_interactions,
    read_ratings,
    read_titles,
    split_by_mask,
    store_ratings,
    strong_split,
    time_split,
)
from .errors import HarmoniumError
from .estimators.bernoulli_rbm import BernoulliRBM
from .estimators.boltzmann_machine import BoltzmannMachine
from .estimators.classification_rbm import ClassificationRBM
from .estimators.conditional_rbm import ConditionalRBM
from .estimators.deep_belief import DeepBeliefNetwork
from .estimators.deep_boltzmann import DeepBoltzmannMachine
from .estimators.gaussian_boltzmann import GaussianBoltzmann
from .estimators.multinomial_rbm import MultinomialRBM, SemiRestricted
from .estimators.rating_rbm import RatingRBM
from .estimators.rbm import RBM
from .estimators.semi_restricted_rbm import SemiRestrictedRBM
from .evaluation.ratings import evaluate
from .recommending.choice_recommender import ChoiceRecommender
from .recommending.recommender import Recommender

__all__ = [
    "RBM",
    "BernoulliRBM",
    "BoltzmannMachine",
    "ChoiceRecommender",
    "GaussianBoltzmann",
    "ClassificationRBM",
    "ConditionalRBM",
    "DeepBeliefNetwork",
    "DeepBoltzmannMachine",
    "HarmoniumError",
    "Interactions",
    "MultinomialRBM",
    "RatingRBM",
    "Ratings",
    "Recommender",
    "Scale",
    "StoredRatings",
    "SemiRestricted",
    "SemiRestrictedRBM",
    "Titles",
    "Vocabulary",
    "__version__",
    "data",
    "errors",
    "estimators",
    "evaluate",
    "evaluation",
    "last_n_split",
    "load",
    "models",
    "per_user_split",
    "random_split",
    "read_interactions",
    "read_ratings",
    "read_titles",
    "recommending",
    "split_by_mask",
    "store_ratings",
    "strong_split",
    "time_split",
    "training",
    "units",
]
