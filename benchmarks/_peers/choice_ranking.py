"""Users a second of implicit's recommend for people who fold in; run by the python of its own environment.

    python choice_ranking.py asked.npz FACTORS N_BEST TRIES

The last line printed is one JSON object.
"""

import json
import sys
import time

import numpy as np
from _choice_tasks import parts
from implicit.als import AlternatingLeastSquares


def main() -> None:
    """Learn, rank, time."""
    path, n_factors, n_best, tries = sys.argv[1], *map(int, sys.argv[2:])
    task = parts(path)
    model = AlternatingLeastSquares(factors=n_factors, iterations=3, random_state=0)
    model.fit(task["learned"], show_progress=False)
    users, best = np.arange(task["asked"].shape[0]), np.inf
    for _ in range(tries):
        began = time.perf_counter()
        model.recommend(users, task["asked"], N=n_best, recalculate_user=True)
        best = min(best, time.perf_counter() - began)
    print(json.dumps({"implicit_als_users_per_second": len(users) / best}))


if __name__ == "__main__":
    main()
