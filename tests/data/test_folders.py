"""Folders of ratings: opened without reading, read-only, and never half there."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from harmonium.data import Ratings, Scale, Vocabulary, load
from harmonium.data.folders import HEADER, RatingsWriter
from harmonium.errors import DataError

TABLE = {
    "users": ["ann", "bøb", "ann", "日本", "ann"],
    "items": [7, 7, 9, 8, 1],
    "ratings": [5.0, 3.0, np.nan, 1.5, 0.5],
}


@pytest.fixture
def ratings():
    return Ratings.from_triples(*TABLE.values(), scale=Scale.halves(), time=[5, 4, 3, 2, 1])


@pytest.fixture
def folder(ratings, tmp_path):
    ratings.save(tmp_path / "mine")
    return tmp_path / "mine"


def test_what_was_saved_is_opened(ratings, folder):
    assert Ratings.open(folder) == ratings
    bundled = load("movielens-small").ratings
    bundled.save(folder)
    assert Ratings.open(folder) == bundled


def test_no_ratings_at_all_are_opened_too(ratings, folder):
    none = ratings.select(np.zeros(len(ratings), bool))
    none.save(folder)
    assert Ratings.open(folder) == none


def test_opened_ratings_are_the_files_pages_and_cannot_be_changed(folder):
    opened = Ratings.open(folder)
    for name in ("indptr", "item", "level", "time"):
        array = getattr(opened, name)
        assert not array.flags.writeable and not array.flags.owndata
        assert isinstance(array.base, np.memmap)
        with pytest.raises(ValueError):
            array[0] = 1


def test_kernels_take_opened_ratings_without_copying(folder):
    from harmonium.kernels import cpu

    opened = Ratings.open(folder)
    W, c = np.ones((2, 4, 16), np.float32), np.zeros(16, np.float32)
    phi = np.stack((np.ones(10), np.linspace(-1, 1, 10)), axis=1).astype(np.float32)
    before = opened.item.ctypes.data
    fields = cpu.hidden_fields(opened.indptr, opened.item, opened.level, phi, True, W, c)
    assert fields.shape == (3, 16)
    assert opened.item.ctypes.data == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_opening_many_ratings_takes_no_memory_for_them(tmp_path):
    """A child that opens 40 MB of ratings and looks at one user stays far below that."""
    rng = np.random.default_rng(0)
    counts = np.full(20_000, 400)
    item = np.tile(np.arange(0, 800, 2, dtype=np.int32), 20_000)
    users, items = Vocabulary.from_ids(np.arange(20_000)), Vocabulary.from_ids(np.arange(800))
    with RatingsWriter(tmp_path / "many", users, items, Scale.stars()) as writer:
        writer.append(counts, item, rng.integers(0, 5, len(item)).astype(np.uint8))
    child = (  # ru_maxrss would begin with what this process has taken
        "import sys; from harmonium.data import Ratings, folders;"
        "peak = lambda: next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        "before = peak(); ratings = Ratings.open(sys.argv[1]); print(len(ratings.history(12345)[0]));"
        "print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path / "many")], capture_output=True, text=True, check=True
    )
    n, kilobytes = map(int, done.stdout.split())
    assert n == 400
    assert kilobytes < 8_000


def test_a_folder_is_replaced_whole_and_nothing_else_is_left(ratings, folder):
    ratings.select(np.arange(len(ratings)) < 2).save(folder)
    assert Ratings.open(folder).n_entries == 2
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_an_interrupted_writer_leaves_what_was_there(ratings, folder):
    def interrupted():
        with RatingsWriter(folder, ratings.users, ratings.items, ratings.scale) as writer:
            writer.append(np.array([1]), ratings.item[:1], ratings.level[:1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert Ratings.open(folder) == ratings
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_something_else_is_not_replaced(ratings, tmp_path):
    mine = tmp_path / "precious"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(DataError, match="no folder of ratings"):
        ratings.save(mine)
    assert (mine / "letter.txt").read_text(encoding="utf-8") == "dear"


def test_a_folder_that_cannot_be_made_says_so(ratings, tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        ratings.save(tmp_path / "no" / "such")


def cut_off(folder):
    data = (folder / "item.npy").read_bytes()
    (folder / "item.npy").write_bytes(data[:-5])


def header(folder, **changed):
    known = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    (folder / HEADER).write_text(json.dumps(known | changed), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_off, "item.npy"),
        (lambda folder: (folder / "level.npy").unlink(), "level.npy"),
        (lambda folder: (folder / "level.npy").write_bytes(b"something else entirely"), "level.npy"),
        (lambda folder: (folder / HEADER).unlink(), "header.json"),
        (lambda folder: (folder / HEADER).write_text("{", encoding="utf-8"), "header.json"),
        (lambda folder: header(folder, version=9), "version 9"),
        (lambda folder: header(folder, format="else"), "no folder of ratings"),
        (lambda folder: header(folder, n_entries=3), "row starts"),
        (lambda folder: header(folder, scale={"levels": [1], "names": None, "bucketed": False}), "2 to 254"),
    ],
)
def test_a_damaged_folder_names_the_file_and_the_fix(folder, damage, words):
    damage(folder)
    with pytest.raises(DataError, match=words) as caught:
        Ratings.open(folder)
    assert str(folder) in str(caught.value)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        Ratings.open(tmp_path / "none")


def test_opened_ratings_can_be_sent_to_another_process(ratings, folder):
    assert pickle.loads(pickle.dumps(Ratings.open(folder))) == ratings


def test_rows_of_opened_ratings_are_those_of_ratings_in_memory(ratings, folder):
    opened = Ratings.open(folder)
    assert opened.rows([2, 0]) == ratings.rows([0, 2]) == ratings.select(ratings.user_of() != 1)
    assert opened.rows(np.zeros(0, np.int64)).n_entries == 0
