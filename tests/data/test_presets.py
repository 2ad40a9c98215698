import subprocess
import sys

import numpy as np
import pytest

from harmonium.data import Scale, load
from harmonium.errors import DataError, SettingError

NETFLIX = "1:\n5,3,2005-09-06\n7,5,2005-05-13\n2:\n5,4,1999-12-30\n"
NETFLIX_TITLES = "1,2003,Dinosaur Planet\n2,NULL,Isle of Man, Amélie\n".encode("latin-1")


def test_the_bundled_ratings_have_the_published_numbers():
    data = load("movielens-small")
    assert (data.ratings.n_users, data.ratings.n_items, data.ratings.n_ratings) == (610, 9724, 100836)
    assert round(float(data.ratings.values().mean()), 4) == 3.5016
    assert data.ratings.scale == Scale.halves()
    assert len(data.titles) == 9742
    assert "Harper & Konstan 2015" in data.licence
    toy_story = data.titles.aligned_to(data.ratings.items)[data.ratings.items.index(1)]
    assert toy_story == "Toy Story (1995)"


@pytest.mark.parametrize(
    ("name", "ratings", "titles", "separator", "half"),
    [
        ("ml-100k", "u.data", "u.item", "\t", False),
        ("ml-1m", "ratings.dat", "movies.dat", "::", False),
        ("ml-10m", "ratings.dat", "movies.dat", "::", True),
        ("ml-20m", "ratings.csv", "movies.csv", ",", True),
        ("ml-25m", "ratings.csv", "movies.csv", ",", True),
        ("ml-32m", "ratings.csv", "movies.csv", ",", True),
    ],
)
def test_every_movielens_layout_is_known(tmp_path, name, ratings, titles, separator, half):
    header = "userId,movieId,rating,timestamp\n" if separator == "," else ""
    rows = [(1, 9, 4.5 if half else 4, 838985046), (2, 9, 3, 838985047)]
    (tmp_path / ratings).write_text(header + "".join(separator.join(map(str, row)) + "\n" for row in rows))
    line = {
        "u.item": f"9|Amélie (2001)|||u|{'|'.join('0' * 19)}\n",
        "movies.dat": "9::Amélie (2001)::Comedy\n",
        "movies.csv": "movieId,title,genres\n9,Amélie (2001),Comedy\n",
    }[titles]
    (tmp_path / titles).write_bytes(line.encode("utf-8" if titles.endswith("csv") else "latin-1"))
    data = load(name, tmp_path)
    assert data.ratings.values().tolist() == [rows[0][2], 3]
    assert data.ratings.time.tolist() == [838985046, 838985047]
    assert data.ratings.scale == (Scale.halves() if half else Scale.stars())
    assert data.titles.title == ("Amélie (2001)",)


@pytest.mark.parametrize("layout", ["combined", "training_set"])
def test_both_netflix_layouts_give_the_same_ratings(tmp_path, layout):
    if layout == "combined":
        (tmp_path / "combined_data_1.txt").write_text(NETFLIX[: NETFLIX.index("2:")])
        (tmp_path / "combined_data_2.txt").write_text(NETFLIX[NETFLIX.index("2:") :])
        (tmp_path / "movie_titles.csv").write_bytes(NETFLIX_TITLES)
    else:
        (tmp_path / "training_set").mkdir()
        (tmp_path / "training_set" / "mv_0000001.txt").write_text(NETFLIX[: NETFLIX.index("2:")])
        (tmp_path / "training_set" / "mv_0000002.txt").write_text(NETFLIX[NETFLIX.index("2:") :].rstrip("\n"))
        (tmp_path / "movie_titles.txt").write_bytes(NETFLIX_TITLES)
    data = load("netflix", tmp_path)
    frame = data.ratings.to_frame()
    assert frame.select("user_id", "item_id", "rating").rows() == [(5, 1, 3.0), (5, 2, 4.0), (7, 1, 5.0)]
    assert np.diff(data.ratings.time[[1, 0]]).tolist() == [(2077 * 86400)]
    assert data.titles.title == ("Dinosaur Planet (2003)", "Isle of Man, Amélie")


@pytest.mark.parametrize("block_bytes", [16, 1 << 24])
def test_a_movie_goes_on_in_the_next_block(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr("harmonium.data._files.BLOCK_BYTES", block_bytes)
    monkeypatch.setattr("harmonium.data._netflix.BLOCK_BYTES", block_bytes)
    (tmp_path / "combined_data_1.txt").write_text(NETFLIX)
    assert load("netflix", tmp_path).ratings.items.ids.tolist() == [1, 2]
    assert load("netflix", tmp_path).titles is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (NETFLIX + "8,9,2005-01-01\n", "line 6: rating 9 is not on the scale 1 to 5"),
        (NETFLIX + "8;4;2005-01-01\n", "line 6: '8;4;2005-01-01' is neither"),
        (NETFLIX + "8,4\n", "line 6: '8,4' is neither"),
        (
            NETFLIX + "5,4,2005-01-01\n",
            "line 6: user 5 and item 2 were already in combined_data_1.txt, line 5",
        ),
        ("5,4,2005-01-01\n", "before the first movie"),
        ("1:\n5,4,2005-02-31\n", "a date does not exist"),
    ],
)
def test_wrong_netflix_lines_are_named(tmp_path, content, says):
    (tmp_path / "combined_data_1.txt").write_text(content)
    with pytest.raises(DataError, match=says):
        load("netflix", tmp_path)


def test_a_missing_file_is_named_with_the_site_that_has_it(tmp_path):
    with pytest.raises(DataError, match=r"no file ratings\.dat; ml-1m has it, from https://grouplens\.org"):
        load("ml-1m", tmp_path)
    with pytest.raises(DataError, match=r"archive\.org"):
        load("netflix", tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        load("ml-1m", tmp_path / "nowhere")


def test_names_and_paths_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(SettingError, match="no data set 'ml-2m'; known are movielens-small, ml-100k"):
        load("ml-2m", tmp_path)
    with pytest.raises(SettingError, match="pass path="):
        load("ml-1m")
    with pytest.raises(SettingError, match="takes no path"):
        load("movielens-small", tmp_path)


def test_the_room_loads_no_table_library_before_it_is_needed():
    code = "import sys, harmonium.data; print({'polars', 'narwhals', 'pandas', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
