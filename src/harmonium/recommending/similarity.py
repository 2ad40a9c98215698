"""Which items are alike: cosines between what the machines know of them."""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.models.rating_model import RatingModel

Floats = npt.NDArray[np.floating]


@final
@dataclass(frozen=True, eq=False)
class Neighbours:
    """Items as vectors, one set a machine.

    In the users machine an item is its weights to the hidden units; in the items machine its hidden means, less their
    mean over all items. With both machines the cosine is the mean of the two.

    Parameters
    ----------
    vectors : tuple of float32 arrays, (n_items, n_dimensions)
    """

    vectors: tuple[Floats, ...]

    @classmethod
    def of(cls, model: RatingModel) -> "Neighbours":
        """Take the vectors of a model.

        Parameters
        ----------
        model : RatingModel
        """
        vectors = []
        if model.users is not None:
            vectors += list(model.users.W)
        if model.items is not None:
            vectors += [model.items.hidden - model.items.hidden.mean(axis=0)]
        return cls(tuple(vectors))
