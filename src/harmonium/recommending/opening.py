"""Opening a model file of either kind: of ratings, or of choices."""

import os

from harmonium import storage
from harmonium.errors import ModelFileError
from harmonium.estimators.choice_file import MODELS
from harmonium.recommending import choice_recommender, modelfile
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.recommender import Recommender


def open_model(path: str | os.PathLike[str]) -> Recommender | ChoiceRecommender:
    """Read a model file, of whichever kind; the class of what comes back tells the kind.

    Parameters
    ----------
    path : path

    Returns
    -------
    Recommender or ChoiceRecommender
        Of ratings, or of choices. A model of choices that was saved by itself comes back without titles.

    Raises
    ------
    ModelFileError
        There is no such file, it is damaged, holds no recommender, or is of a later version.
    """
    kind = storage.kind_of(path)
    if kind == modelfile.KIND:
        return Recommender.load(path)
    if kind == choice_recommender.KIND:
        return ChoiceRecommender.load(path)
    if kind in MODELS:
        return ChoiceRecommender(MODELS[kind].load(path))
    raise ModelFileError(f"{path}: holds a {kind}, not a recommender of ratings or of choices")
