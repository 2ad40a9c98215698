"""From a history to predictions and reasons: the model's arrays in, records of plain values out."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.models import rating_model
from harmonium.models.rating_model import Person, RatingModel
from harmonium.recommending import explaining
from harmonium.recommending.catalogue import Catalogue
from harmonium.recommending.history import History
from harmonium.recommending.results import Prediction, Reason

Floats = npt.NDArray[np.floating]


@final
@dataclass(frozen=True, eq=False)
class Predictor:
    """A model with what its columns and levels stand for.

    Parameters
    ----------
    model : RatingModel
    catalogue : Catalogue
    scale : Scale
    first_liked : int
        Level code of the lowest level that counts as liking.
    """

    model: RatingModel
    catalogue: Catalogue
    scale: Scale
    first_liked: int

    def person(self, history: History) -> Person:
        """Fold in the person behind a history.

        Parameters
        ----------
        history : History
        """
        return rating_model.person(self.model, history.item, history.level)

    def fields(self, who: Person, items: npt.NDArray[np.integer]) -> list[dict[str, Any]]:
        """The fields of `Predicted` for each of some items.

        Parameters
        ----------
        who : Person
        items : int array, (n,)
        """
        return self.told(rating_model.person_probabilities(self.model, who, items), items)

    def told(self, p: Floats, items: npt.NDArray[np.integer]) -> list[dict[str, Any]]:
        """The same from the probabilities of the levels.

        Parameters
        ----------
        p : floats, (n, n_levels)
        items : int array, (n,)
        """
        rating, liking = p @ self.scale.values, p[:, self.first_liked :].sum(axis=1)
        return [
            {
                **self.catalogue.facts(item),
                "rating": expected,
                "levels": self.scale.levels,
                "probabilities": tuple(of_levels),
                "probability_of_liking": liked,
            }
            for item, expected, of_levels, liked in zip(items.tolist(), rating.tolist(), p.tolist(), liking.tolist())
        ]

    def prediction(self, who: Person, item: int) -> Prediction:
        """Predict one item.

        Parameters
        ----------
        who : Person
        item : int
        """
        return Prediction(**self.fields(who, np.array([item]))[0])

    def reasons(self, history: History, item: int, who: Person) -> tuple[Reason, ...]:
        """What each entry of the history does to a prediction, in the order of the history.

        What it does to the score of lists is left open, see `explaining.scored`.

        Parameters
        ----------
        history : History
        item : int
        who : Person
            Behind the whole history.

        Notes
        -----
        As many fold-ins as there are entries.
        """
        whole = self.prediction(who, item)
        found = []
        for position, entry in enumerate(self.entries(history)):
            other = self.person(history.without(position))
            less = self.prediction(other, item)
            found.append(
                Reason(
                    **entry,
                    contribution=whole.probability_of_liking - less.probability_of_liking,
                    rating_contribution=whole.rating - less.rating,
                    score_contribution=0.0,
                    choice_contribution=None,
                    by_unit=explaining.strongest(self.unit_parts(item, who, other), explaining.N_UNITS),
                )
            )
        return tuple(found)

    def unit_parts(self, item: int, who: Person, other: Person) -> Floats:
        """Parts of the hidden units in the difference of an item's tilt between two people.

        Parameters
        ----------
        item : int
        who, other : Person

        Returns
        -------
        floats, (n_hidden,)
            In nats; they add up to the difference. Empty without a users machine.
        """
        if self.model.users is None or who.hidden is None or other.hidden is None:
            return np.zeros(0)
        return explaining.tilts(self.model.users, self.first_liked, item) * (who.hidden - other.hidden)

    def energy(self, machine: RatingRBM, known: History) -> dict[str, Any]:
        """Weigh a history, see `Recommender.energy`.

        Parameters
        ----------
        machine : RatingRBM
        known : History
        """
        total, *less = machine.free_energy(
            self.rows([known, *(known.without(position) for position in range(len(known)))])
        ).tolist()
        return {
            "free_energy": total,
            "free_energy_per_rating": total / max(1, known.n_rated),
            "n_rated": known.n_rated,
            "ratings": [{**rated, "free_energy": total - rest} for rated, rest in zip(self.entries(known), less)],
            "hidden": machine.transform(self.rows([known]))[0].tolist(),
        }

    def entries(self, history: History) -> list[dict[str, Any]]:
        """item_id, title and rating (None for seen, not rated) of every entry.

        Parameters
        ----------
        history : History
        """
        return [
            {
                "item_id": self.catalogue.items[item],
                "title": self.catalogue.title(item),
                "rating": None if level == UNRATED else self.scale.levels[level],
            }
            for item, level in zip(history.item.tolist(), history.level.tolist())
        ]

    def rows(self, histories: list[History]) -> Ratings:
        """Histories as the rows of one `Ratings`.

        Parameters
        ----------
        histories : list of History
        """
        row = np.repeat(np.arange(len(histories)), [len(one) for one in histories])
        item = np.concatenate([one.item for one in histories])
        level = np.concatenate([one.level for one in histories])
        users = Vocabulary(np.arange(len(histories)))
        return Ratings.from_arrays(row, item, level, users, self.catalogue.items, self.scale)
