"""What the peers' scripts on ranked lists share; needs NumPy and SciPy alone."""

import numpy as np
from scipy.sparse import csr_matrix

PLACES = 100


def parts(path: str) -> dict[str, csr_matrix]:
    """Return the parts of a task as matrices: train, tuning_train, validation and test history and held_out."""
    with np.load(path) as file:
        n = int(file["n_items"])
        names = {name.removesuffix("_indptr") for name in file.files if name.endswith("_indptr")}
        return {
            name: csr_matrix(
                (
                    np.ones(len(file[f"{name}_item"]), np.float32),
                    file[f"{name}_item"].astype(np.int32),
                    file[f"{name}_indptr"].astype(np.int32),
                ),
                shape=(len(file[f"{name}_indptr"]) - 1, n),
            )
            for name in names
        }


def top(scores: np.ndarray, history: csr_matrix) -> np.ndarray:
    """Return the best items of each row that its history does not hold."""
    scores[history.nonzero()] = -np.inf
    rough = np.argpartition(-scores, PLACES, axis=1)[:, :PLACES]
    rows = np.arange(len(scores))[:, None]
    return rough[rows, np.argsort(-scores[rows, rough], axis=1, kind="stable")]


def ndcg(lists: np.ndarray, held_out: csr_matrix, k: int) -> float:
    """Return the mean nDCG@k over rows with something held out."""
    n = np.diff(held_out.indptr)
    asked = np.flatnonzero(n)
    wanted = held_out[asked].toarray() > 0
    hit = wanted[np.arange(len(asked))[:, None], lists[asked, :k]]
    discount = 1 / np.log2(np.arange(2, k + 2))
    return float((hit @ discount / np.cumsum(discount)[np.minimum(n[asked], k) - 1]).mean())
