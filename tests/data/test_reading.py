import gzip

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import zstandard

from harmonium.data import UNRATED, Ratings, Scale, _files, _text, read_ratings
from harmonium.errors import DataError, SettingError

ROWS = [(3, 20, 4.0, 100), (1, 10, 5.0, 200), (3, 10, 1.0, 300), (2, 30, 2.0, 400)]
EXPECTED = Ratings.from_triples(*zip(*[row[:3] for row in ROWS]), time=[row[3] for row in ROWS])


def table(**more):
    users, items, ratings, times = zip(*ROWS)
    return {"userId": users, "movieId": items, "rating": ratings, "timestamp": times} | more


def text(separator=",", header="userId,movieId,rating,timestamp", end="\n"):
    lines = [header] * bool(header) + [separator.join(f"{field:g}" for field in row) for row in ROWS]
    return "".join(line + end for line in lines).encode()


def written(tmp_path, content, name="ratings.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings.csv", text()),
        ("ratings.csv", b"\xef\xbb\xbf" + text(end="\r\n")),
        ("ratings.csv", text().rstrip(b"\n")),
        ("ratings.csv", text().replace(b"\n", b"\n\n")),
        ("ratings.csv", text(header="")),
        ("u.data", text("\t", header="")),
        ("ratings.dat", text("::", header="")),
        ("ratings.tsv", text("\t", header="user\titem\tstars\tts")),
        ("ratings.csv", text(";", header="USER_ID;Item-Id;score;date")),
        ("ratings.txt", text(" ", header="")),
        ("ratings.dat.gz", gzip.compress(text("::", header=""))),
        ("ratings.csv.gz", gzip.compress(text())),
        ("ratings.csv.zst", zstandard.compress(text())),
    ],
)
def test_every_text_layout_gives_the_same_ratings(tmp_path, name, content):
    assert read_ratings(written(tmp_path, content, name)) == EXPECTED


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pl.DataFrame,
        pl.LazyFrame,
        pa.table,
        lambda rows: duckdb.from_arrow(pa.table(rows)),
    ],
)
def test_every_kind_of_table_gives_the_same_ratings(make):
    assert read_ratings(make(table())) == EXPECTED


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_become_seconds_and_categories_text(unit):
    time = pl.from_epoch(pl.Series(table()["timestamp"])).cast(pl.Datetime(unit))
    user = pl.Series([str(user) for user in table()["userId"]], dtype=pl.Categorical)
    ratings = read_ratings(pl.DataFrame(table(timestamp=time, userId=user)))
    assert ratings.time.tolist() == EXPECTED.time.tolist()
    assert list(ratings.users) == ["1", "2", "3"]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt16, pl.Float32, pl.Float64])
def test_parquet_of_any_number_type_gives_the_same_ratings(tmp_path, dtype):
    frame = pl.DataFrame(table()).with_columns(pl.col("rating").cast(dtype), pl.col("userId").cast(pl.UInt32))
    frame.write_parquet(tmp_path / "r.parquet")
    assert read_ratings(tmp_path / "r.parquet") == EXPECTED


def test_a_glob_a_list_and_one_file_give_the_same_ratings(tmp_path):
    header, *lines = text().splitlines(keepends=True)
    parts = [written(tmp_path, header + line, f"part{k}.csv") for k, line in enumerate(lines)]
    assert read_ratings(str(tmp_path / "part*.csv")) == EXPECTED
    assert read_ratings(parts[::-1]) == EXPECTED


def test_small_blocks_give_the_same_ratings_and_the_right_line(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "BLOCK_BYTES", 7)
    assert read_ratings(written(tmp_path, text())) == EXPECTED
    quoted = 'user,item,rating,note\n1,1,5,"a\nb ""c"" d"\n2,1,4,"\n\n"\n3,1,7,x\n'
    with pytest.raises(DataError, match=r"ratings\.csv, line 7: rating 7 is not on the scale 1 to 5"):
        read_ratings(written(tmp_path, quoted), scale=Scale.stars())


def test_columns_can_be_named_or_numbered(tmp_path):
    path = written(tmp_path, text(header="a,b,c,d"))
    named = read_ratings(path, user="a", item="b", rating="c", time="d")
    assert named == EXPECTED
    swapped = read_ratings(written(tmp_path, text(header="")), user=1, item=0)
    assert swapped == EXPECTED.transposed()
    assert read_ratings(written(tmp_path, text()), time=False).time is None


def test_rows_without_a_rating_column_are_likes(tmp_path):
    likes = read_ratings(written(tmp_path, "user,item\n1,2\n1,3\n"), rating=False)
    assert likes.scale == Scale.like() and likes.values().tolist() == [1, 1]


def test_ids_written_like_numbers_are_numbers_and_others_text(tmp_path):
    path = written(tmp_path, "user,item,rating\n007,1,5\n008,2,4\n")
    assert list(read_ratings(path).users) == ["007", "008"]
    assert list(read_ratings(path).items) == [1, 2]
    assert list(read_ratings(path, ids="text").items) == ["1", "2"]


def test_dates_become_seconds(tmp_path):
    days = read_ratings(written(tmp_path, "user,item,rating,date\n1,1,5,1970-01-02\n"))
    assert days.time.tolist() == [86400]
    clock = read_ratings(written(tmp_path, "user,item,rating,date\n1,1,5,1970-01-01 00:01:00\n"))
    assert clock.time.tolist() == [60]


def test_a_missing_rating_is_an_error_or_seen_or_dropped(tmp_path):
    path = written(tmp_path, "user,item,rating\n1,1,5\n1,2,\n2,1,NaN\n2,2,3\n")
    with pytest.raises(DataError, match=r'line 3: the rating is missing; pass missing="seen"'):
        read_ratings(path)
    assert (read_ratings(path, missing="seen").level == UNRATED).sum() == 2
    assert read_ratings(path, missing="drop") == read_ratings(path, missing="seen").select(
        np.array([True, False, False, True])
    )


def test_duplicates_are_an_error_with_both_lines_or_follow_the_rule(tmp_path):
    path = written(tmp_path, "user,item,rating\n1,1,\n1,1,5\n2,1,4\n1,1,3\n")
    with pytest.raises(DataError, match=r"ratings.csv, line 5: user 1 and item 1 were .* ratings.csv, line 3; "):
        read_ratings(path, missing="drop")
    assert read_ratings(path, missing="drop", duplicates="first").values().tolist() == [5, 4]
    assert read_ratings(path, missing="drop", duplicates="last").values().tolist() == [3, 4]


HEAD = "user,item,rating,timestamp\n1,1,5,0\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "ratings.csv is empty"),
        ("\n", "ratings.csv is empty"),
        ("user,item,rating\n", "has a header but no ratings"),
        ("user,rating\n1,5\n", r'no item column among user, rating; name it with item="..."'),
        ("user,item\n1,5\n", "no rating column among user, item;.*rating=False"),
        (HEAD + "2,1,7,0\n", "line 3: rating 7 is not on the scale 1 to 5"),
        (HEAD + "2,1,inf,0\n", "line 3: rating inf is not on the scale"),
        (HEAD + "2,1,five,0\n", "line 3: rating 'five' is not a number"),
        (HEAD + ",1,5,0\n", "line 3: the user id is missing"),
        (HEAD + "2,,5,0\n", "line 3: the item id is missing"),
        (HEAD + "2\n", "line 3: the item id is missing"),
        (HEAD + "2,2,2,2,2\n", "line 3: 5 fields, where the first line has 4"),
        (HEAD + "x2,2,2,2\n", "line 3: user id 'x2' is not a whole number like.*ids=\"text\""),
        (HEAD + "99999999999999999999,2,2,2\n", "line 3: user id '99999999999999999999'"),
        (HEAD + "2,2,2,soon\n", "line 3: time 'soon' is neither"),
        (HEAD + "2,2,2,\n", "line 3: the time is missing; pass time=False"),
        (HEAD + '2,"1\n2",3,0\n', r"line 3: item id '1\\n2' is not a whole number"),
        (HEAD + '2,"1,3,0\n3,1,1,0\n', "line 3: a quote opens and never closes"),
        (HEAD.encode() + b"2,1,\xff5,0\n", "line 3: the rating .* is not UTF-8"),
        (HEAD + "2," + "1" * 10**6 + ",5,0\n", r"line 3: item id '1{40}\.\.\.'"),
        (HEAD.encode() + b"2,\x00,5,0\n", "not a text file"),
    ],
)
@pytest.mark.parametrize("block_bytes", [7, 1 << 24])
def test_wrong_text_is_named_with_file_and_line(tmp_path, monkeypatch, content, says, block_bytes):
    monkeypatch.setattr(_text, "SAMPLE_BYTES", len(HEAD) + 1)
    if len(content) < 1000:
        monkeypatch.setattr(_files, "BLOCK_BYTES", block_bytes)
    with pytest.raises(DataError, match=says) as error:
        read_ratings(written(tmp_path, content), scale=Scale.stars())
    assert len(str(error.value)) < 300


def test_invalid_utf8_in_a_text_id_is_named(tmp_path):
    with pytest.raises(DataError, match=r"line 3: the user .* is not UTF-8"):
        read_ratings(written(tmp_path, b"user,item,rating\nann,1,5\nb\xe9a,1,4\n"))


def test_a_text_id_after_the_sample_is_named_with_its_line(tmp_path):
    lines = "".join(f"{k},1,5\n" for k in range(1, 20_001))
    with pytest.raises(DataError, match="line 20002: user id 'zoe' is not a whole number"):
        read_ratings(written(tmp_path, "user,item,rating\n" + lines + "zoe,1,5\n"))


def test_a_line_that_never_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "BLOCK_BYTES", 64)
    monkeypatch.setattr(_files, "LONGEST_LINE", 256)
    with pytest.raises(DataError, match="line 2: over 0 MiB without a line end"):
        read_ratings(written(tmp_path, "user,item,rating\n" + "1" * 1000))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rating": [1, 2, 9, 3]}, "table, row 3: rating 9 is not on the scale 1 to 5"),
        ({"rating": ["1", "2", "x", "3"]}, "table, row 3: rating 'x' is not a number"),
        ({"rating": [1, None, 2, 3]}, "table, row 2: the rating is missing"),
        ({"userId": [1, 2, None, 3]}, "table, row 3: the user id is missing"),
        ({"userId": [1.0, 2.0, 2.5, 3.0]}, "table, row 3: user id 2.5 is not a whole number"),
        ({"userId": [True, False, True, False]}, "user ids are of type Boolean"),
    ],
)
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pl.LazyFrame])
def test_wrong_values_in_a_table_are_named_with_their_row(make, change, says):
    with pytest.raises(DataError, match=says):
        read_ratings(make(table(**change)), scale=Scale.stars())


def test_a_column_of_mixed_types_is_named():
    with pytest.raises(DataError, match="column 'userId' mixes int and str"):
        read_ratings(pd.DataFrame(table(userId=[1, 2, "x", 3])))


def test_files_whose_ids_differ_in_type_are_refused(tmp_path):
    first = written(tmp_path, "user,item,rating\n1,1,5\n", "a.csv")
    second = tmp_path / "b.parquet"
    pl.DataFrame({"user": ["x"], "item": [1], "rating": [4]}).write_parquet(second)
    with pytest.raises(DataError, match=r"b\.parquet, row 1: user id 'x' differs in type"):
        read_ratings([first, second])


@pytest.mark.parametrize("name", ["r.parquet", "r.csv.gz", "r.csv.zst"])
def test_a_damaged_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=name):
        read_ratings(written(tmp_path, b"garbage, not what the name says", name))


def test_a_truncated_gzip_is_named(tmp_path):
    with pytest.raises(DataError, match=r"r\.csv\.gz is damaged"):
        read_ratings(written(tmp_path, gzip.compress(text())[:-12], "r.csv.gz"))


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_ratings(tmp_path / "no.csv")
    with pytest.raises(DataError, match="no file fits"):
        read_ratings(str(tmp_path / "*.csv"))
    with pytest.raises(DataError, match="is a folder"):
        read_ratings(tmp_path)
    with pytest.raises(DataError, match="list of files is empty"):
        read_ratings([])
    with pytest.raises(DataError, match="cannot read ratings from a int"):
        read_ratings(3)
    with pytest.raises(DataError, match="no ratings"):
        read_ratings(pl.DataFrame(table()).clear())


def test_settings_that_do_not_exist_are_named(tmp_path):
    path = written(tmp_path, text())
    for setting in ("duplicates", "missing", "ids"):
        with pytest.raises(SettingError, match=f"{setting} must be one of .* not 'maybe'"):
            read_ratings(path, **{setting: "maybe"})
    with pytest.raises(DataError, match="no column 'who'; the columns are userId"):
        read_ratings(path, user="who")
    with pytest.raises(SettingError, match="user=9 is no column"):
        read_ratings(path, user=9)
    with pytest.raises(SettingError, match="must name a column"):
        read_ratings(path, user=False)
    with pytest.raises(SettingError, match="two roles"):
        read_ratings(path, user="userId", item="userId")
