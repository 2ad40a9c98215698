import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import Vocabulary
from harmonium.errors import DataError, SettingError, UnknownIdError

id_lists = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.text(st.characters(exclude_categories=["Cs"])))
)


@given(id_lists)
def test_ids_are_sorted_once_each_and_every_index_leads_back(ids):
    vocabulary = Vocabulary.from_ids(ids)
    assert list(vocabulary) == sorted(set(ids))
    assert all(vocabulary[vocabulary.index(raw)] == raw for raw in ids)


@given(id_lists)
def test_stored_arrays_give_the_same_vocabulary(ids):
    vocabulary = Vocabulary.from_ids(ids)
    again = Vocabulary.from_arrays(vocabulary.to_arrays())
    assert again == vocabulary
    assert again.fingerprint == vocabulary.fingerprint
    assert hash(again) == hash(vocabulary)


def test_the_order_of_ids_does_not_matter_but_their_type_does():
    assert Vocabulary.from_ids([3, 1]) == Vocabulary.from_ids(np.array([1, 3, 3], dtype=np.uint16))
    assert Vocabulary.from_ids(["3", "1"]) != Vocabulary.from_ids([3, 1])
    assert Vocabulary.from_ids(["3", "1"]).fingerprint != Vocabulary.from_ids([3, 1]).fingerprint


def test_the_fingerprint_is_the_same_on_every_machine():
    assert Vocabulary.from_ids([5, 3]).fingerprint.startswith("e9bb23fe9b0ff7ff")


def test_an_unknown_number_names_the_nearest_known_ones():
    with pytest.raises(UnknownIdError, match=r"id 11 is unknown; the nearest of 5 known ids: 10, 12, 20"):
        Vocabulary.from_ids([1, 10, 12, 20, 50]).index(11)


def test_an_unknown_text_names_the_nearest_known_ones():
    with pytest.raises(UnknownIdError, match=r"nearest of 3 known ids: 'matrix'"):
        Vocabulary.from_ids(["alien", "matrix", "heat"]).index("matirx")


def test_an_unknown_id_of_another_type_or_in_nothing_still_gives_a_sentence():
    with pytest.raises(UnknownIdError, match="id 'x' is unknown"):
        Vocabulary.from_ids([1, 2]).index("x")
    with pytest.raises(UnknownIdError, match="nearest of 2 known ids: 1, 2"):
        Vocabulary.from_ids([1, 2]).index("1x")
    with pytest.raises(UnknownIdError, match="vocabulary is empty"):
        Vocabulary.from_ids([]).index(1)


def test_unknown_ids_can_be_dropped_or_marked():
    vocabulary = Vocabulary.from_ids([1, 2, 4])
    assert vocabulary.indices([4, 3, 1], unknown="drop").tolist() == [2, 0]
    assert vocabulary.indices(np.array([4, 3, 1]), unknown=-1).tolist() == [2, -1, 0]
    with pytest.raises(UnknownIdError, match="id 3"):
        vocabulary.indices([4, 3, 1])
    with pytest.raises(SettingError, match="'ignore'"):
        vocabulary.indices([4], unknown="ignore")


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([1, "a"], "'a' at position 1 is text among numbers"),
        (["a", 1], "at position 0 is text among numbers"),
        ([1.5], "is a float"),
        ([2**63], "does not fit in 64 bits"),
        (np.array([2**63], dtype=np.uint64), "does not fit in 64 bits"),
        (np.zeros((2, 2), dtype=int), r"shape \(2, 2\)"),
    ],
)
def test_ids_that_make_no_vocabulary_are_named(ids, says):
    with pytest.raises(DataError, match=says):
        Vocabulary.from_ids(ids)


def test_ids_out_of_order_need_from_ids():
    with pytest.raises(DataError, match="from_ids"):
        Vocabulary([2, 1])
    with pytest.raises(DataError, match="from_ids"):
        Vocabulary(["a", "a"])


def test_damaged_stored_text_is_an_error():
    arrays = Vocabulary.from_ids(["ä", "b"]).to_arrays()
    with pytest.raises(DataError, match="offsets"):
        Vocabulary.from_arrays({**arrays, "offsets": np.array([0, 9])})
    with pytest.raises(DataError, match="damaged"):
        Vocabulary.from_arrays({**arrays, "offsets": np.array([0, 2, 3])})
    with pytest.raises(DataError, match="'text' is missing"):
        Vocabulary.from_arrays({"offsets": arrays["offsets"]})


def test_ids_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        Vocabulary.from_ids([1, 2]).ids[0] = 5
    assert 2 in Vocabulary.from_ids([1, 2])
    assert repr(Vocabulary.from_ids([1, 2, 3, 4])) == "Vocabulary(4 ids: 1, 2, 3, ...)"
