"""implicit on a task of ranked lists; run by the python of its own environment.

    python choice_implicit.py task.npz {als,bpr} lists.npy [few]

Settings are chosen on the validation part, then the model is learned again; with few, one setting for two epochs. The
last line printed is one JSON object: settings, seconds of the last learning and of ranking, trials.
"""

import json
import sys
import time

import numpy as np
from _choice_tasks import PLACES, ndcg, parts, top
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy.sparse import vstack

ALS = [
    {"factors": f, "regularization": r, "alpha": a}
    for f, r, a in ((64, 1, 5), (64, 0.1, 1), (64, 10, 10), (128, 1, 5), (128, 10, 5), (256, 10, 2))
]
BPR = [
    {"factors": f, "learning_rate": rate, "regularization": r, "iterations": 100}
    for f, rate, r in ((64, 0.02, 0.01), (64, 0.05, 0.01), (128, 0.02, 0.01), (128, 0.05, 0.02))
]
CHUNK = 2000


def lists(name: str, settings: dict, train, history, same_users: bool) -> tuple[np.ndarray, float, float]:
    """Learn, and rank for the rows of history; return lists, seconds of learning and of ranking."""
    began = time.perf_counter()
    if name == "als":
        model = AlternatingLeastSquares(random_state=0, **settings)
        model.fit(train, show_progress=False)
    else:  # it cannot fold anybody in: who is asked about is learned from too, with what is known of them
        model = BayesianPersonalizedRanking(random_state=0, **settings)
        model.fit(train if same_users else vstack((train, history)).tocsr(), show_progress=False)
    learned = time.perf_counter()
    users = np.arange(history.shape[0])
    if name == "als":
        more = {} if same_users else {"recalculate_user": True}
        found = model.recommend(users, history, N=PLACES, **more)[0]
    else:
        factors = np.asarray(model.user_factors)[-history.shape[0] :]
        chunks = range(0, len(users), CHUNK)
        found = np.vstack(
            [top(factors[a : a + CHUNK] @ np.asarray(model.item_factors).T, history[a : a + CHUNK]) for a in chunks]
        )
    return found, learned - began, time.perf_counter() - learned


def main() -> None:
    """Tune, learn, rank, write the lists."""
    path, name, out, *few = sys.argv[1:]
    task = parts(path)
    same = task["train"].shape[0] == task["test_history"].shape[0]
    k = 20 if same else PLACES
    trials, tried = [], ALS if name == "als" else BPR
    for settings in [{**tried[0], "iterations": 2}] if few else tried:
        found = lists(name, settings, task["tuning_train"], task["validation_history"], same)[0]
        trials.append((ndcg(found, task["validation_held_out"], k), settings))
        print(trials[-1], file=sys.stderr, flush=True)
    best = max(trials, key=lambda trial: trial[0])
    found, learning, ranking = lists(name, best[1], task["train"], task["test_history"], same)
    np.save(out, found.astype(np.int32))
    print(json.dumps({"settings": best[1], "seconds": learning, "seconds_ranking": ranking, "trials": trials}))


if __name__ == "__main__":
    main()
