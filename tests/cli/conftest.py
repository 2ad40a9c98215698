"""A small world of films, and a model of it."""

from pathlib import Path

import numpy as np
import pytest
from _program import SMALL, harmonium

TITLES = {
    11: ("Matrix, The (1999)", "Action|Sci-Fi"),
    12: ("Matrix Reloaded, The (2003)", "Action|Sci-Fi"),
    13: ("Alien (1979)", "Horror|Sci-Fi"),
    14: ("Toy Story (1995)", "Animation|Children"),
    15: ("Titanic (1997)", "Drama|Romance"),
    16: ("Titanic (1953)", "Drama"),
    17: ("[REC] (2007)", "Horror"),
    **{k: (f"Film {k} ({1960 + k})", "Comedy") for k in range(18, 51)},
}
N_USERS = 120


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ratings.csv, known.csv, new.csv and movies.csv: two tastes, half stars."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    items = np.array(list(TITLES))
    rows = []
    for user in range(N_USERS):
        for item in rng.permutation(items)[:20]:
            liking = 4.0 if item % 2 == user % 2 else 2.0
            rating = np.clip(np.round(2 * (liking + rng.normal(0, 0.7))) / 2, 0.5, 5)
            rows.append(f"{user},{item},{rating:g},{len(rows)}")
    header = "userId,movieId,rating,timestamp"
    parts = {"ratings": rows, "known": [], "new": []}
    for row in rows:
        parts["new" if rng.random() < 0.1 else "known"].append(row)
    for name, part in parts.items():
        (folder / f"{name}.csv").write_text("\n".join([header, *part]) + "\n", encoding="utf-8")
    movies = [f'{item},"{title}",{genres}' for item, (title, genres) in TITLES.items()]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def model(films: Path) -> Path:
    """A model file, learned from known.csv."""
    path = films / "films.harmonium"
    done = harmonium("train", films / "known.csv", "-o", path, "--titles", films / "movies.csv", *SMALL)
    assert done.code == 0, done.err
    return path
