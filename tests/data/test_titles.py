import gzip

import polars as pl
import pytest

from harmonium.data import Titles, Vocabulary, read_titles
from harmonium.errors import AmbiguousTitleError, DataError, UnknownIdError

FILMS = [
    "Matrix, The (1999)",
    "Matrix Reloaded, The (2003)",
    "Misérables, Les (1995)",
    "Misérables, Les (2012)",
    "Seven (a.k.a. Se7en) (1995)",
    "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
    "Star Wars: Episode IV - A New Hope (1977)",
    "2001: A Space Odyssey (1968)",
    "Blade Runner 2049 (2017)",
    "M*A*S*H (a.k.a. MASH) (1970)",
    "Babylon 5",
    "Schindler's List (1993)",
    "Dr. Strangelove (1964)",
    "Death Note (2006–2007)",
]
TITLES = Titles.from_rows(range(len(FILMS)), FILMS)


@pytest.mark.parametrize(
    ("typed", "film"),
    [
        ("Matrix, The (1999)", 0),
        ("The Matrix", 0),
        ("matrix", 0),
        ("  the MATRIX 1999 ", 0),
        ("matrix reloaded", 1),
        ("matrix rel", None),
        ("les miserables 2012", 3),
        ("Les Misérables (1995)", 2),
        ("se7en", 4),
        ("cite des enfants perdus", 5),
        ("star wars", 6),
        ("new hope", 6),
        ("2001", 7),
        ("2001 a space odyssey", 7),
        ("blade runner 2049", 8),
        ("mash", 9),
        ("babylon 5", 10),
        ("schindlers list", 11),
        ("dr strangelove", 12),
        ("Death Note", 13),
    ],
)
def test_what_people_type_finds_the_film(typed, film):
    if film is None:
        with pytest.raises(UnknownIdError, match="Matrix Reloaded"):
            TITLES.match(typed)
    else:
        assert TITLES.match(typed) == film


def test_an_ambiguous_title_lists_its_candidates_with_years():
    with pytest.raises(AmbiguousTitleError, match="fits 2 titles") as error:
        TITLES.match("les misérables")
    assert error.value.candidates == ("Misérables, Les (1995)", "Misérables, Les (2012)")
    with pytest.raises(AmbiguousTitleError, match="and 1 more") as error:
        TITLES.match("les misérables", n_candidates=1)
    assert len(error.value.candidates) == 1


@pytest.mark.parametrize(("typed", "nearest"), [("matirx", "Matrix, The"), ("", "none"), ("?!", "none")])
def test_an_unknown_title_names_the_nearest(typed, nearest):
    with pytest.raises(UnknownIdError, match=f"no title fits .*; the nearest: {nearest}"):
        TITLES.match(typed)


@pytest.mark.parametrize(
    ("typed", "film"), [("matirx", 0), ("shindlers lst", 11), ("starwars", 6), ("les miserable 2012", 3)]
)
def test_search_forgives_typing_errors(typed, film):
    assert TITLES.search(typed, 3)[0] == film


def test_search_gives_at_most_n_and_nothing_for_nothing():
    assert len(TITLES.search("the", 2)) <= 2
    assert TITLES.search("", 5) == []
    assert Titles.from_rows([], []).search("x") == []


def test_titles_follow_the_vocabulary_and_the_unnamed_are_called_by_id():
    aligned = TITLES.aligned_to(Vocabulary([1, 8, 99]))
    assert aligned.title == ("Matrix Reloaded, The (2003)", "Blade Runner 2049 (2017)", "99")
    assert aligned.year.tolist() == [2003, 2017, 0]


def test_stored_arrays_give_the_same_titles():
    titles = Titles.from_rows([2, 1], ["B (1999)", "Ä"], [["Drama", "War"], []])
    assert Titles.from_arrays(titles.to_arrays(), titles.ids) == titles
    assert titles.title == ("Ä", "B (1999)") and titles.genres == ((), ("Drama", "War"))
    with pytest.raises(DataError, match="'year' is missing"):
        Titles.from_arrays({k: a for k, a in titles.to_arrays().items() if k != "year"}, titles.ids)


CSV = 'movieId,title,genres\n2,"Postman, The (Postino, Il) (1994)",Drama|Romance\n1,Amélie,(no genres listed)\n'
U_ITEM = (
    f"1|Amélie|01-Jan-1995||url|{'|'.join('0' * 19)}\n"
    f"2|Postman, The (Postino, Il) (1994)|||url|{'|'.join('0' * 8 + '1' + '0' * 5 + '1' + '0' * 4)}\n"
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("movies.csv", CSV.encode()),
        ("movies.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()),
        ("movies.csv.gz", gzip.compress(CSV.encode())),
        (
            "movies.dat",
            "2::Postman, The (Postino, Il) (1994)::Drama|Romance\n1::Amélie::\n".encode("latin-1"),
        ),
        ("u.item", U_ITEM.encode("latin-1")),
    ],
)
def test_every_layout_gives_the_same_titles(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    expected = Titles.from_rows([1, 2], ["Amélie", "Postman, The (Postino, Il) (1994)"], [[], ["Drama", "Romance"]])
    assert read_titles(path) == expected


def test_parquet_titles_are_read(tmp_path):
    pl.DataFrame({"item_id": [7], "title": ["Heat (1995)"], "genres": ["Action|Crime"]}).write_parquet(
        tmp_path / "m.parquet"
    )
    titles = read_titles(tmp_path / "m.parquet")
    assert (titles.title, titles.genres, titles.year.tolist()) == (
        ("Heat (1995)",),
        (("Action", "Crime"),),
        [1995],
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("movies.csv", b"", "movies.csv is empty"),
        ("movies.csv", b"movieId,title\n", "holds no titles"),
        ("movies.csv", b"movieId,year\n1,2\n", "no title column among movieId, year"),
        ("movies.csv", b"movieId,title\n1,A\n1,B\n", "item 1 has two titles"),
        ("movies.csv", b"movieId,title\n1,A\n2,\n", "line 3: the item id or the title is missing"),
        ("movies.csv", b"movieId,title\n1,A,B\n", "line 2: 3 fields, the header has 2"),
        ("movies.csv", b"movieId,title\n1,\xff\n", "line 2: not UTF-8"),
        ("movies.dat", b"1::A::B\n2::A\n", "line 2: 2 fields, where 3"),
        ("m.parquet", b"no parquet", "m.parquet cannot be read as Parquet"),
    ],
)
def test_wrong_titles_are_named_with_their_place(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_titles(path)


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match="2 items need as many titles"):
        Titles(Vocabulary([1, 2]), ("a",), [0], ((),))


def test_every_title_finds_its_film_when_typed_as_it_stands_unless_two_films_share_it():
    from collections import Counter

    from harmonium.data import load

    titles = load("movielens-small").titles
    shared = {title for title, n in Counter(titles.title).items() if n > 1}
    for item, title in enumerate(titles.title):
        if title in shared:
            with pytest.raises(AmbiguousTitleError, match=rf"\[id {titles.ids[item]}\].*give the id"):
                titles.match(title)
        else:
            assert titles.match(title) == item
