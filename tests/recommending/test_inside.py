"""Dreams, many reasons at once, weighed histories, and how users are spread."""

import numpy as np
import pytest

from harmonium.data import load
from harmonium.recommending import Recommender, inside
from harmonium.recommending.population import free_energies


@pytest.fixture(scope="module")
def films() -> Recommender:
    """A recommender of the bundled films."""
    bundled = load("movielens-small")
    return Recommender.fit(bundled.ratings, bundled.titles, n_hidden=8, n_epochs=3)


TASTE = [("matrix", 5.0), ("alien 1979", 4.0), ("titanic 1997", 1.0), ("toy story 1995", None)]


def test_many_reasons_at_once_are_those_of_the_explanations(films):
    history = films.history(TASTE)
    items = films._catalogue.indices(["aliens", "notting hill"])
    found = inside.contributions(films, history, items)
    rows = inside.entries(films, history)
    for column, item in zip(found.T, items):
        reasons = {one.item_id: one.contribution for one in films.explain(history, films.items[int(item)]).reasons}
        assert np.allclose([reasons[row["item_id"]] for row in rows], column, atol=1e-6)


def test_holding_units_where_they_are_changes_nothing(films):
    history = films.history(TASTE)
    everything = np.ones(len(films.items), bool)
    at_rest = {one["unit"]: one["probability"] for one in inside.activations(films, history)}
    found = inside.dream(films, history, at_rest, everything)
    assert max((one["rise"] for one in found["rising"]), default=0) < 1e-5


def test_what_rises_when_a_unit_is_held_on_falls_when_it_is_held_off(films):
    history, everything = films.history({}), np.ones(len(films.items), bool)
    on, off = (inside.dream(films, history, {3: state}, everything, 20) for state in (1.0, 0.0))
    opposite = {"rising": "falling", "falling": "rising"}
    assert on["rising"] or on["falling"]
    for end, rows in on.items():
        mirrored = {one["item_id"] for one in off[opposite[end]]}
        assert len({one["item_id"] for one in rows} & mirrored) >= len(rows) // 2
        for one in rows:
            assert (one["probability_of_liking"] > one["before"]) == (one["rise"] > 0) == (end == "rising")


def test_a_history_is_weighed_as_the_recommender_weighs_it(films):
    found, expected = inside.weighed(films, films.history(TASTE)), films.energy(TASTE)
    assert found["free_energy"] == pytest.approx(expected["free_energy"], abs=1e-4)
    assert np.allclose(found["hidden"], expected["hidden"], atol=1e-6)
    assert [one["surprise"] is None for one in found["ratings"]] == [False, False, False, True]


def test_users_are_spread_over_histograms_whose_counts_add_up(films):
    ratings = load("movielens-small").ratings
    found = free_energies(films.machine.users_machine, ratings)
    assert found is not None and found["n_users"] == 500
    for name in ("free_energy_per_rating", "surprise_per_rating"):
        part = found[name]
        assert sum(part["counts"]) == 500 and len(part["edges"]) == len(part["counts"]) + 1
        assert part["quantiles"] == sorted(part["quantiles"]) and len(part["quantiles"]) == 101
    assert 0 < found["surprise_per_rating"]["quantiles"][50] < np.log(10)  # better than knowing nothing
    assert free_energies(films.machine.users_machine, ratings) == found


def test_nobody_with_two_ratings_is_no_histogram(films):
    ratings = load("movielens-small").ratings
    assert free_energies(films.machine.users_machine, ratings.select(np.zeros(len(ratings), bool))) is None


def test_a_record_is_kept_in_the_file(films, tmp_path):
    films.record = {"events": [], "terms": "☃"}
    films.save(tmp_path / "a.harmonium")
    assert Recommender.load(tmp_path / "a.harmonium").record == films.record
