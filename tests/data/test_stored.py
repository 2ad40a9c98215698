"""Ratings on disk: sorted in bounded memory, the same as in memory, every wrong row named and nothing half done."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from harmonium.data import Ratings, Scale, read_ratings
from harmonium.data import _partition as partition
from harmonium.data.shards import Shards, even_ends
from harmonium.data.sketch import PairSketch
from harmonium.data.stored import StoredRatings, source_rows, store_ratings
from harmonium.errors import DataError, NotEnoughDiskError, SettingError
from harmonium.events import Stored, TakesDisk

NAMES = ("ann", "bøb", "日本", "🎬", "", "z")


def made_frame(n=400, seed=0, text=False):
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(60 * 30)[:n]
    user, item = pairs // 30, pairs % 30
    return pl.DataFrame(
        {
            "user_id": [f"{NAMES[u % 6]}{u}" for u in user] if text else user.astype(np.int64) - 7,
            "item_id": [f"film {NAMES[i % 6]} {i}" for i in item] if text else item.astype(np.int32),
            "rating": rng.integers(1, 6, n).astype(np.int8),
            "timestamp": rng.integers(0, 10**9, n),
        }
    )


def write_files(folder, frame, n_files=3):
    folder.mkdir(exist_ok=True)
    for k in range(n_files):
        frame[k::n_files].write_parquet(folder / f"part-{k}.parquet")
    return folder


@pytest.fixture
def blocks(monkeypatch):
    """Records are read a few at a time."""
    monkeypatch.setattr(partition, "BLOCK", 64)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("shard_ratings", [1, 37, 10_000])
def test_stored_ratings_are_those_in_memory(tmp_path, blocks, text, shard_ratings):
    files = write_files(tmp_path / "files", made_frame(text=text))
    stored = store_ratings(files, tmp_path / "work", shard_ratings=shard_ratings)
    in_memory = read_ratings(files, time=False)
    assert Ratings.open(tmp_path / "work" / "users") == in_memory
    assert (stored.users, stored.items, stored.scale) == (in_memory.users, in_memory.items, in_memory.scale)
    for _ in stored.prepare(("users", "items"), 0.0):
        pass
    assert stored.cases("items").ratings == in_memory.transposed()
    assert (stored.n_users, stored.n_items, stored.n_ratings, stored.n_entries) == (60, 30, 400, 400)
    assert "400 ratings" in repr(stored)


def test_text_files_are_stored_too_and_times_where_named(tmp_path):
    frame = made_frame()
    frame.write_csv(tmp_path / "a.csv")
    stored = store_ratings(tmp_path / "a.csv", tmp_path / "work", time="timestamp", shard_ratings=50)
    assert stored.cases("users").ratings == read_ratings(tmp_path / "a.csv")
    assert stored.cases("users")[1].time is not None


def test_unrated_rows_are_kept_dropped_or_refused(tmp_path):
    frame = made_frame().with_columns(rating=pl.when(pl.col("rating") == 3).then(None).otherwise(pl.col("rating")))
    files = write_files(tmp_path / "files", frame)
    for rule in ("seen", "drop"):
        stored = store_ratings(files, tmp_path / rule, missing=rule, shard_ratings=50)
        assert stored.cases("users").ratings == read_ratings(files, missing=rule, time=False)
    with pytest.raises(DataError, match=r"part-\d.parquet, row \d+: the rating is missing"):
        store_ratings(files, tmp_path / "refused")


@pytest.mark.parametrize("rule", ["first", "last"])
def test_a_pair_in_two_files_is_decided_as_in_memory(tmp_path, blocks, rule):
    frame = made_frame()
    files = write_files(
        tmp_path / "files", pl.concat([frame, frame.sample(100, seed=1).with_columns(rating=pl.lit(1, pl.Int8))])
    )
    stored = store_ratings(files, tmp_path / "work", duplicates=rule, shard_ratings=37)
    assert stored.cases("users").ratings == read_ratings(files, duplicates=rule, time=False)


def test_a_pair_in_two_files_names_both_places(tmp_path, blocks):
    files = write_files(tmp_path / "files", made_frame())
    again = pl.read_parquet(files / "part-0.parquet")[5:6]
    again.write_parquet(files / "part-9.parquet")
    with pytest.raises(DataError, match=r"part-9.parquet, row 1: user .* were already in part-0.parquet, row 6"):
        store_ratings(files, tmp_path / "work", shard_ratings=37)
    assert list((tmp_path / "work").iterdir()) == []


def third_file(folder, **columns):
    frame = made_frame(30, seed=9).with_columns(user_id=pl.col("user_id") + 1000).with_columns(**columns)
    frame.write_parquet(folder / "part-3.parquet")


AT_7 = pl.arange(pl.len()) == 7


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"rating": pl.when(AT_7).then(9.5).otherwise(3.0)}, r"part-3.parquet, row 8: rating 9.5 is not on the scale"),
        ({"rating": pl.when(AT_7).then(float("inf")).otherwise(3.0)}, r"part-3.parquet, row 8: rating inf"),
        ({"user_id": pl.when(AT_7).then(None).otherwise(pl.col("user_id"))}, r"part-3.parquet, row 8: the user id"),
        ({"item_id": pl.col("item_id").cast(pl.String)}, r"part-3.parquet, row 1: item id .* differs in type"),
        ({"item_id": pl.lit([1])}, "part-3.parquet, row 1: item ids are of type"),
        ({"rating": pl.lit("good")}, "part-3.parquet, row 1: rating 'good' is not a number"),
    ],
)
def test_a_wrong_row_of_a_later_file_is_named_and_nothing_is_left(tmp_path, columns, words):
    files = write_files(tmp_path / "files", made_frame())
    third_file(files, **columns)
    with pytest.raises(DataError, match=words):
        store_ratings(files, tmp_path / "work", scale=Scale.stars(), shard_ratings=50)
    assert list((tmp_path / "work").iterdir()) == []


def test_files_of_another_kind_and_empty_ones(tmp_path):
    files = write_files(tmp_path / "files", made_frame())
    made_frame()[:0].write_parquet(files / "part-4.parquet")  # without rows: nothing is wrong with it
    store_ratings(files, tmp_path / "work", shard_ratings=50)
    (files / "part-5.parquet").write_bytes(b"no table at all")
    with pytest.raises(DataError, match=r"part-5.parquet cannot be read as Parquet"):
        store_ratings(files, tmp_path / "other")
    (files / "part-5.parquet").write_bytes((files / "part-0.parquet").read_bytes()[:-300])
    with pytest.raises(DataError, match=r"part-5.parquet cannot be read as Parquet"):
        store_ratings(files, tmp_path / "other")
    made_frame().drop("rating").write_parquet(files / "part-5.parquet")
    with pytest.raises(DataError, match=r"part-5.parquet: no rating column"):
        store_ratings(files, tmp_path / "other")


def test_only_empty_files_are_no_ratings(tmp_path):
    files = write_files(tmp_path / "files", made_frame()[:0])
    with pytest.raises(DataError, match="no ratings"):
        store_ratings(files, tmp_path / "work")


def test_times_in_some_files_alone_are_an_error(tmp_path):
    files = write_files(tmp_path / "files", made_frame())
    made_frame(20, 3).drop("timestamp").write_parquet(files / "part-7.parquet")
    with pytest.raises(DataError, match=r"part-7.parquet, row 1: has no times"):
        store_ratings(files, tmp_path / "work", time=None)


def test_a_folder_without_parquet_files_is_said(tmp_path):
    with pytest.raises(DataError, match="without Parquet files"):
        store_ratings(tmp_path, tmp_path / "work")


def test_an_interruption_leaves_nothing_half_written_and_is_redone(tmp_path):
    files = write_files(tmp_path / "files", made_frame())

    def interrupt(step):
        def watch(event):
            if isinstance(event, Stored) and event.step == step:
                raise KeyboardInterrupt

        return watch

    for step in ("reading", "sorting by user"):
        with pytest.raises(KeyboardInterrupt):
            store_ratings(files, tmp_path / "work", shard_ratings=50, watch=interrupt(step))
        assert list((tmp_path / "work").iterdir()) == []
    store_ratings(files, tmp_path / "work", shard_ratings=50)
    assert Ratings.open(tmp_path / "work" / "users") == read_ratings(files, time=False)


def test_shards_that_are_there_are_used_and_others_made_anew(tmp_path):
    files, seen = write_files(tmp_path / "files", made_frame()), []
    kinds = {"n": 0}

    def stored(**settings):
        seen.clear()
        found = store_ratings(files, tmp_path / "work", watch=seen.append, **settings)
        kinds["n"] = len([event for event in seen if isinstance(event, Stored)])
        return found

    for _ in stored(shard_ratings=50).prepare(("items",), 0.1, 0):
        pass
    assert kinds["n"] > 0
    assert list(stored(shard_ratings=50).prepare(("items",), 0.1, 0)) == [] and kinds["n"] == 0
    assert len(list(stored(shard_ratings=50).prepare(("items",), 0.1, 1))) > 0 and kinds["n"] == 0
    assert stored(shard_ratings=60).n_shards < 9 and kinds["n"] > 0
    made_frame(10, 5).with_columns(user_id=pl.lit(5000), item_id=pl.arange(10)).write_parquet(files / "part-8.parquet")
    assert stored(shard_ratings=60).n_ratings == 410 and kinds["n"] > 0


def test_room_is_said_before_it_is_taken_and_too_little_is_an_error(tmp_path, monkeypatch):
    files, events = write_files(tmp_path / "files", made_frame()), []
    store_ratings(files, tmp_path / "work", watch=events.append)
    assert isinstance(events[0], TakesDisk) and events[0].n_bytes == 400 * 18
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(NotEnoughDiskError, match="name a folder on another disk"):
        store_ratings(files, tmp_path / "other")
    with pytest.raises(NotEnoughDiskError, match="orders"):
        list(StoredRatings(tmp_path / "work").prepare(("items",)))


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "many"])
def test_a_shard_holds_a_whole_number_of_ratings(tmp_path, wrong):
    with pytest.raises(SettingError, match="shard_ratings"):
        store_ratings(write_files(tmp_path / "files", made_frame()), tmp_path / "work", shard_ratings=wrong)


def test_a_folder_without_shards_is_no_stored_ratings(tmp_path):
    with pytest.raises(DataError, match="no such folder of ratings"):
        StoredRatings(tmp_path)


def test_rows_are_counted_without_reading(tmp_path):
    files = write_files(tmp_path / "files", made_frame())
    assert source_rows(files) == 400
    made_frame().write_csv(tmp_path / "a.csv")
    assert source_rows(tmp_path / "a.csv") > 400  # at the most
    (tmp_path / "a.csv.gz").write_bytes(b"")
    assert source_rows(tmp_path / "a.csv.gz") is None


def test_rows_are_cut_into_full_ranges():
    assert even_ends(np.array([3, 3, 3, 9, 1, 1, 0]), 6).tolist() == [0, 2, 3, 4, 7]
    assert even_ends(np.array([], int), 6).tolist() == [0, 0]
    assert even_ends(np.array([1, 1]), 100).tolist() == [0, 2]


def test_shards_in_memory_and_of_a_folder_are_the_same_rows(tmp_path):
    ratings = Ratings.from_triples(
        *made_frame().select("user_id", "item_id", "rating").to_dict(as_series=False).values()
    )
    ratings.save(tmp_path / "r")
    ends = even_ends(np.diff(ratings.indptr), 50)
    views, read = Shards(ratings, ends), Shards.of_folder(tmp_path / "r", ends)
    assert len(views) == len(read) > 5
    for one, other in zip(views, read):
        assert one == other
        assert one.user_of().max() < one.n_users
    assert [read.n_busy(k) for k in range(len(read))] == [len(part.users) for part in read]
    assert read.n_ratings == ratings.n_ratings == sum(part.n_ratings for part in read)
    assert np.array_equal(PairSketch.of(read).hashes, PairSketch.of(ratings).hashes)


CHILD = """
import sys
from harmonium.data import _partition
_partition.BLOCK = 100_000  # records read at a time
from harmonium.data.stored import store_ratings
from harmonium.estimators.rating_rbm import RatingRBM
def peak():  # of this program alone: ru_maxrss begins with what the process that started it had taken
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
how = dict(n_hidden=8, n_epochs=1, batch_size=500, cases="users")
before = 0
for name in ("small", "large"):
    stored = store_ratings(f"{sys.argv[1]}/{name}", f"{sys.argv[1]}/{name}-work", shard_ratings=100_000)
    RatingRBM(**how).fit(stored)
    after = peak()
    grown, before = after - before, after
print(stored.n_shards, grown)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_memory_does_not_grow_with_the_ratings(tmp_path):
    """Two million ratings after 200,000 of them: 1.8 million more would take 80 MB in memory, at 45 bytes each."""
    rng = np.random.default_rng(0)
    for name, n_users in (("small", 1_000), ("large", 10_000)):
        item = (rng.integers(0, 300, (n_users, 1)) + np.arange(200)) % 300
        frame = pl.DataFrame(
            {
                "user_id": np.repeat(np.arange(n_users), 200),
                "item_id": item.ravel(),
                "rating": rng.integers(1, 6, item.size).astype(np.int8),
            }
        )
        write_files(tmp_path / name, frame, n_users // 100)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, check=True, timeout=200
    )
    n_shards, kilobytes = map(int, done.stdout.split())
    assert n_shards == 20
    assert kilobytes < 40_000  # the sketch of pairs fills up, and 200 cases are looked up in mapped files: both bounded
