"""scikit-surprise on a split of ratings; run by the python of `peer_python("surprise", SURPRISE)`.

    python surprise_ratings.py split.npz [svd svd-tuned svdpp]

The .npz holds train_user, train_item, train_rating and test_user, test_item, test_rating, one entry a rating.
The last line printed is one JSON object: the model's name -> {"rmse", "seconds"}, seconds of fitting alone,
on one core.
"""

import argparse
import json
import time

import numpy as np
from surprise import SVD, Dataset, Reader, SVDpp, Trainset, accuracy

MODELS = {
    "svd": lambda: SVD(random_state=0),
    "svd-tuned": lambda: SVD(n_factors=100, n_epochs=40, lr_all=0.007, reg_all=0.06, random_state=0),
    "svdpp": lambda: SVDpp(random_state=0),
}


def triples(split, part: str) -> list[tuple[int, int, float]]:
    """Return the (user, item, rating) rows of the part "train" or "test" of an open .npz."""
    user, item, rating = (split[f"{part}_{name}"].tolist() for name in ("user", "item", "rating"))
    return list(zip(user, item, rating))


def trainset(rows: list[tuple[int, int, float]]) -> Trainset:
    """Return scikit-surprise's form of the training rows; predictions are clipped to the ratings' range."""
    values = [rating for _, _, rating in rows]
    reader = Reader(rating_scale=(min(values), max(values)))
    return Dataset(reader).construct_trainset([(*row, None) for row in rows])


def fit_and_score(name: str, train: Trainset, test: list[tuple[int, int, float]]) -> dict[str, float]:
    """Fit a model of MODELS on train; return its RMSE on test and the seconds of fitting."""
    model = MODELS[name]()
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    rmse = accuracy.rmse(model.test(test), verbose=False)
    return {"rmse": round(float(rmse), 4), "seconds": round(seconds, 1)}


def main() -> None:
    """Score the models named on the command line."""
    parser = argparse.ArgumentParser(description="Score scikit-surprise on a split.")
    parser.add_argument("split")
    parser.add_argument("models", nargs="*", metavar="model", help=f"of {', '.join(MODELS)}; all by default")
    asked = parser.parse_args()
    with np.load(asked.split) as split:
        train, test = trainset(triples(split, "train")), triples(split, "test")
    print(json.dumps({name: fit_and_score(name, train, test) for name in asked.models or MODELS}))


if __name__ == "__main__":
    main()
