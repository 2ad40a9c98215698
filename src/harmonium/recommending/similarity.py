"""Which items are alike: cosines between what the machines know of them."""

import numpy as np
import numpy.typing as npt

from harmonium.models.rating_model import RatingModel

Floats = npt.NDArray[np.floating]


def cosines(model: RatingModel, item: int) -> Floats:
    """Cosine between one item and every item.

    Parameters
    ----------
    model : RatingModel
    item : int

    Returns
    -------
    float32 array, (n_items,)
        -1 to 1; 0 where the model knows nothing of an item.

    Notes
    -----
    In the users machine an item is its weights to the hidden units, of all level features; in the items machine its
    hidden means. Both are taken from their mean over all training ratings, which all items share and which would make
    them all alike. With both machines the cosine is the mean of the two. A few passes over the vectors, no copy.
    """
    found = []
    if model.users is not None:
        found.append(_centred_cosine(list(model.users.W), item, model.n_item_ratings))
    if model.items is not None:
        found.append(_centred_cosine([model.items.hidden], item, model.n_item_ratings))
    return np.mean(found, axis=0)


def among(model: RatingModel, items: npt.NDArray[np.integer]) -> Floats:
    """The same between some items: (n, n).

    Parameters
    ----------
    model : RatingModel
    items : int array, (n,)
    """
    share = (model.n_item_ratings / max(1, model.n_item_ratings.sum())).astype(np.float32)
    kinds = [] if model.users is None else [list(model.users.W)]
    kinds += [] if model.items is None else [[model.items.hidden]]
    found = []
    for vectors in kinds:
        x = np.hstack([of_all[items] - share @ of_all for of_all in vectors])
        length = np.linalg.norm(x, axis=1, keepdims=True)
        unit = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
        found.append(np.clip(unit @ unit.T, -1, 1))
    return np.mean(found, axis=0)


def _centred_cosine(vectors: list[Floats], item: int, n_ratings: npt.NDArray[np.int64]) -> Floats:
    """Cosine of one item to all in the concatenated vectors, each (n_items, n_dimensions), less their mean."""
    share = (n_ratings / max(1, n_ratings.sum())).astype(np.float32)
    product = squared = np.float32(0)
    for x in vectors:
        centre = share @ x
        asked = x[item] - centre
        product = product + x @ asked - centre @ asked
        squared = squared + np.einsum("ij,ij->i", x, x) - 2 * (x @ centre) + centre @ centre
    length = np.sqrt(np.maximum(squared, 0))
    both = length * length[item]
    return np.clip(np.divide(product, both, out=np.zeros_like(product), where=both > 0), -1, 1)
