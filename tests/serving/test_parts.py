"""The parts of a service on their own: limits, batches, ids in addresses, the slot of the model."""

import asyncio
import shutil
from pathlib import Path

import pytest
from _world import recommender
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonium.data import Vocabulary
from harmonium.errors import ModelFileError, SettingError
from harmonium.serving.addresses import decoded, raw_item
from harmonium.serving.batching import MOST_TOGETHER, Batcher
from harmonium.serving.limits import Limiter
from harmonium.serving.problems import printable
from harmonium.serving.settings import Settings
from harmonium.serving.slot import ModelSlot
from harmonium.serving.store.tables import packed, packed_item, unpacked, unpacked_item


def test_a_bucket_lets_a_burst_pass_and_then_its_rate():
    limiter = Limiter(rate=2.0, burst=3)
    assert [limiter.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.wait("b", 0.0) == 0  # another client
    assert limiter.wait("a", 0.4) == pytest.approx(0.1)
    assert limiter.wait("a", 0.5) == 0
    assert limiter.wait("a", 0.5) == pytest.approx(0.5)
    assert [limiter.wait("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]  # never more than a full bucket
    assert Limiter(0, 1).wait("a") == 0


def test_buckets_of_clients_long_gone_are_dropped(monkeypatch):
    monkeypatch.setattr("harmonium.serving.limits.MOST_BUCKETS", 10)
    limiter = Limiter(rate=1.0, burst=2)
    for k in range(100):
        assert limiter.wait(str(k), float(k)) == 0
    assert len(limiter._buckets) <= 11


def test_questions_of_one_turn_are_answered_together_and_each_gets_its_own():
    batches = []

    def answer(questions):
        batches.append(len(questions))
        return [ValueError(str(one)) if one % 10 == 7 else 2 * one for one in questions]

    async def ask() -> list:
        batcher = Batcher(answer)
        return await asyncio.gather(*(batcher.ask(k) for k in range(40)), return_exceptions=True)

    found = asyncio.run(ask())
    assert batches == [MOST_TOGETHER, 40 - MOST_TOGETHER]
    assert [one for one in found if not isinstance(one, Exception)] == [2 * k for k in range(40) if k % 10 != 7]
    assert [str(one) for one in found if isinstance(one, ValueError)] == ["7", "17", "27", "37"]


def test_a_question_whose_asker_has_gone_is_not_answered():
    asked = []

    async def ask() -> None:
        batcher = Batcher(lambda questions: asked.extend(questions) or questions)
        gone = asyncio.ensure_future(batcher.ask("gone"))
        stays = asyncio.ensure_future(batcher.ask("stays"))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == "stays"

    asyncio.run(ask())
    assert "stays" in asked


def test_a_batch_that_fails_as_a_whole_is_an_error_to_each():
    def answer(_):
        raise ZeroDivisionError

    async def ask() -> list:
        batcher = Batcher(answer)
        return await asyncio.gather(*(batcher.ask(k) for k in range(3)), return_exceptions=True)

    assert [type(one) for one in asyncio.run(ask())] == [ZeroDivisionError] * 3


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_any_text_is_stored_as_ascii_and_comes_back(text):
    assert packed(text).isascii() and unpacked(packed(text)) == text
    assert unpacked_item(packed_item(text)) == text and "\0" not in packed(text)


@pytest.mark.parametrize("item", [0, -(2**63), 2**63 - 1, "7", ""])
def test_an_item_id_keeps_its_type(item):
    assert unpacked_item(packed_item(item)) == item and type(unpacked_item(packed_item(item))) is type(item)


def test_ids_in_addresses_are_decoded_once():
    assert decoded("a%2Fb%2520%E2%98%83") == "a/b%20☃"
    for wrong in ("%FF", "x" * 201):
        with pytest.raises(ValueError):
            decoded(wrong)
    numbers, words = Vocabulary([1, 2]), Vocabulary(["1", "b"])
    assert [raw_item(text, numbers) for text in ("1", "-5", "1.0", "٣", "9" * 30)] == [1, -5, "1.0", "٣", "9" * 30]
    assert raw_item("1", words) == "1"


def test_text_that_utf_8_cannot_carry_is_made_printable():
    assert printable("a\ud800b☃") == "a?b☃"


def test_a_slot_looks_once_at_a_file_that_it_refused(model, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    slot = ModelSlot(place)
    assert not slot.look()
    place.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match="not a model file"):
        slot.look()
    assert not slot.look() and "not a model file" in slot.refused
    recommender(3).save(place)
    before = slot.current
    assert slot.look() and slot.current is not before and slot.refused == ""
    place.unlink()
    assert not slot.look()


@pytest.mark.parametrize(
    "wrong", [{"reading": "perhaps"}, {"log_format": "xml"}, {"rate_limit": -1}, {"burst": 0}, {"max_body": 10}]
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Settings(model=Path("a"), store="sqlite:///a.db", **wrong)


def test_ratings_of_items_that_a_new_model_does_not_know_are_kept(keyed):
    store = keyed.app.state.service.store
    store.put_many("ann", [(7, 3.0, None), ("words", 1.0, None), (107, 5.0, None), (108, 4.7, None)], replace=False)
    found = keyed.get("/api/v1/users/ann/ratings").json()["ratings"]
    assert {one["item_id"]: one["title"] for one in found} == {
        7: None, "words": None, 107: "Film 7 (1967)", 108: "Film 8 (1968)",
    }  # fmt: skip
    assert keyed.post("/api/v1/recommend", json={"user_id": "ann"}).json()["n_rated"] == 1  # 4.7 is off the scale
