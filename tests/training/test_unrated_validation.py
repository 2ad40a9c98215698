"""What was seen and not rated is evidence: nothing is held out of it to choose by."""

import numpy as np
import pytest

from harmonium import RatingRBM
from harmonium.data import Ratings, Scale
from harmonium.data.stored import store_ratings
from harmonium.training.sources import source_of


def seen_and_rated():
    rng = np.random.default_rng(0)
    pair = rng.permutation(100 * 40)[:1500]
    value = rng.integers(1, 6, len(pair)).astype(float)
    value[rng.random(len(pair)) < 0.3] = np.nan
    return Ratings.from_triples(pair // 40, pair % 40, value, scale=Scale.stars())


def test_unrated_entries_stay_in_the_part_that_is_learnt_from():
    ratings = seen_and_rated()
    source, enough = source_of(ratings, 0.2, 0, None)
    held, known = (source.cases("users", part).ratings for part in ("held", "known"))
    assert enough and held.n_entries == held.n_ratings > 100
    assert held.n_entries + known.n_entries == ratings.n_entries


@pytest.mark.parametrize("cases", ["users", "items", "both"])
def test_an_epoch_is_chosen_on_rated_entries_alone(cases):
    ratings = seen_and_rated()
    machine = RatingRBM(4, cases=cases, n_epochs=2, validation_fraction=0.1).fit(ratings, validation=None)
    assert all(np.isfinite(e.validation_rmse) for e in machine.history_ if e.kind == "epoch" and e.phase == "choose")


def test_of_ratings_on_disk_too(tmp_path):
    import polars

    ratings = seen_and_rated()
    rated = np.where(ratings.level == 255, np.nan, ratings.scale.values[np.minimum(ratings.level, 4)])
    table = polars.DataFrame({"user": ratings.user_of(), "item": ratings.item, "rating": rated})
    table.write_parquet(tmp_path / "ratings.parquet")
    stored = store_ratings([tmp_path / "ratings.parquet"], tmp_path / "work", missing="seen", shard_ratings=400)
    list(stored.prepare(["users"], 0.2, 0))
    held = stored.cases("users", "held")
    assert held.n_entries == held.n_ratings > 100
