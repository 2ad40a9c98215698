"""One function opens a model file of either kind."""

import _worlds
import numpy as np
import pytest

from harmonium import RBM, ChoiceRecommender, GaussianBoltzmann, Interactions, Recommender
from harmonium.errors import ModelFileError
from harmonium.recommending.opening import open_model
from harmonium.storage import kind_of


@pytest.fixture(scope="module")
def choices():
    return Interactions.from_pairs([1, 1, 2, 2, 3, 3], ["tea", "milk", "tea", "milk", "tea", "rum"])


def test_a_file_comes_back_as_what_was_saved(choices, tmp_path):
    of_ratings, of_choices, bare = (tmp_path / name for name in ("r.harmonium", "c.harmonium", "b.harmonium"))
    _worlds.recommender().save(of_ratings)
    ChoiceRecommender.fit(choices).save(of_choices)
    GaussianBoltzmann(ridge=1.0).fit(choices).save(bare)
    assert (kind_of(of_ratings), kind_of(of_choices)) == ("recommender", "choice recommender")
    assert isinstance(open_model(of_ratings), Recommender)
    assert isinstance(open_model(of_choices), ChoiceRecommender)
    assert open_model(bare).recommend(["tea"], n=1)[0].item_id == "milk"


def test_what_is_no_recommender_is_refused(tmp_path):
    path = tmp_path / "m.harmonium"
    with pytest.raises(ModelFileError, match="no such file"):
        open_model(path)
    path.write_bytes(b"nothing of ours")
    with pytest.raises(ModelFileError, match="not a model file"):
        open_model(path)
    RBM(n_hidden=2, n_epochs=1).fit(np.eye(4)).save(path)
    with pytest.raises(ModelFileError, match="holds a RBM, not a recommender"):
        open_model(path)
