"""New items for a fitted recommender: their ratings aligned with the model's items, then folded in."""

import numpy as np

from harmonium.data import Ratings, Scale, Titles, Vocabulary
from harmonium.errors import DataError
from harmonium.estimators.rating_rbm import RatingRBM


def with_items(
    model: RatingRBM, items: Vocabulary, scale: Scale, ratings: Ratings, titles: Titles | None, more: Titles | None
) -> tuple[RatingRBM, Vocabulary, Scale, Titles | None]:
    """Return model, items, scale and titles with the items of some ratings that were not among them.

    Parameters
    ----------
    model : RatingRBM
        Fitted.
    items : Vocabulary
    scale : Scale
    ratings : Ratings
        Whole histories of those who rated the new items.
    titles, more : Titles, optional
        Known titles, and those of the new items.

    Raises
    ------
    DataError
        There are no new items, the ids are of another kind, or the scale is another.
    """
    if ratings.scale != scale:
        raise DataError(f"ratings: their levels are {ratings.scale.levels}, the model's {scale.levels}; give the same")
    if ratings.items.is_text != items.is_text:
        kinds = ["text" if one.is_text else "numbers" for one in (ratings.items, items)]
        raise DataError(f"ratings: item ids are {kinds[0]}, the model's are {kinds[1]}; make them alike")
    rated = np.bincount(ratings.item, minlength=ratings.n_items) > 0
    new = [ratings.items[int(k)] for k in np.flatnonzero(rated) if ratings.items[int(k)] not in items]
    if not new:
        raise DataError("ratings: every item in them is known to the model already; there is nothing to add")
    everything = Vocabulary.from_ids([*items, *new])
    column = everything.indices(ratings.items.ids, unknown=-1)[ratings.item]
    whole = Ratings.from_arrays(ratings.user_of(), column, ratings.level, ratings.users, everything, scale)
    return model.with_items(whole, everything.indices(items.ids)), everything, scale, _joined(titles, more, new)


def _joined(titles: Titles | None, more: Titles | None, new: list[int | str]) -> Titles | None:
    """The known titles, and those of the new items that are given."""
    if titles is None or more is None:
        return titles or more
    wanted = [k for k in more.ids.indices(new, unknown="drop").tolist() if more.ids[k] not in titles.ids]
    places = {titles.ids[k]: (titles, k) for k in range(len(titles.ids))} | {more.ids[k]: (more, k) for k in wanted}
    ids = Vocabulary.from_ids(list(places))
    return Titles(
        ids,
        tuple(one.title[k] for one, k in map(places.__getitem__, ids)),
        np.array([one.year[k] for one, k in map(places.__getitem__, ids)]),
        tuple(one.genres[k] for one, k in map(places.__getitem__, ids)),
    )
