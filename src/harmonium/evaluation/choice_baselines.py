"""Baselines for choices: what is popular, and what goes with what one chose."""

from collections.abc import Generator
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.histories import Asked, sparse
from harmonium.events import Event
from harmonium.kernels import choices as kernels
from harmonium.training.settings import check_count, check_number

Floats = npt.NDArray[np.float32]


@final
class PopularItems(ChoiceModel):
    """The same list for everybody: the items that most people chose."""

    def __init__(self) -> None:
        """It has no settings."""

    def _learn(self, interactions: Interactions, asked: Asked) -> Generator[Event, None, None]:
        yield from ()

    def _scores(self, history: Interactions) -> Floats:
        of_item = np.log1p(self._fitted("popularity_")).astype(np.float32)
        return np.tile(of_item, (history.n_users, 1))

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        """Nothing besides what all models of choices keep."""
        return {}, {}

    def take_parts(self, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> None:
        """Take what `to_parts` gave.

        Parameters
        ----------
        header : dict
        arrays : dict of arrays
        """


@final
class ItemNeighbours(ChoiceModel):
    """Item-based nearest neighbours: the sum of similarities to what one chose.

    Parameters
    ----------
    n_neighbours : int
        Similar items that each item keeps.
    shrinkage : float
        Added to the product of lengths, so that what few people chose looks less similar.

    Notes
    -----
    Similarity is x_i . x_j / (|x_i| |x_j| + shrinkage) (Deshpande & Karypis, TOIS 2004).
    """

    def __init__(self, n_neighbours: int = 200, shrinkage: float = 10.0):
        self.n_neighbours, self.shrinkage = n_neighbours, shrinkage
        self.similar_: Any = None

    def _learn(self, interactions: Interactions, asked: Asked) -> Generator[Event, None, None]:
        check_count("n_neighbours", self.n_neighbours, 1, 100_000)
        check_number("shrinkage", self.shrinkage, 0.0, 1e9)
        x = kernels.matrix(sparse(interactions), interactions.n_items)
        length = np.sqrt(x.multiply(x).sum(axis=0)).A1.astype(np.float32)
        size, parts = max(1, (1 << 24) // interactions.n_items), []
        for start in range(0, interactions.n_items, size):
            together = (x[:, start : start + size].T @ x).toarray()
            together /= length[start : start + size, None] * length + np.float32(self.shrinkage) + np.float32(1e-12)
            own = np.arange(len(together))
            together[own, own + start] = 0
            parts.append(_largest(together, self.n_neighbours))
        from scipy.sparse import vstack

        self.similar_ = vstack(parts).T.tocsr()  # row i: what item i adds to others
        yield from ()

    def _scores(self, history: Interactions) -> Floats:
        found = kernels.matrix(sparse(history), history.n_items) @ self._fitted("similar_")
        return np.ascontiguousarray(found.toarray(), dtype=np.float32)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        """Plain values and arrays of what was learned."""
        similar = self._fitted("similar_")
        return {}, {"indptr": similar.indptr, "indices": similar.indices, "data": similar.data}

    def take_parts(self, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> None:
        """Take what `to_parts` gave.

        Parameters
        ----------
        header : dict
        arrays : dict of arrays
        """
        from scipy.sparse import csr_matrix

        shape = self.n_items, self.n_items
        self.similar_ = csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)


def _largest(dense: Floats, n: int) -> Any:
    """The n largest of each row, as a SciPy matrix."""
    from scipy.sparse import csr_matrix

    if n < dense.shape[1]:
        least = -np.partition(-dense, n - 1, axis=1)[:, n - 1 : n]
        dense[dense < least] = 0
    return csr_matrix(dense)
