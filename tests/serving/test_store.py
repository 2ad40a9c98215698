"""The store in SQLite and in PostgreSQL: what is put in comes out, whatever the ids, and survives."""

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harmonium.errors import DataError, SettingError
from harmonium.serving.store import Store, open_database
from harmonium.serving.store.keys import KeyRing
from harmonium.serving.store.tables import metadata

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
ITEMS = st.integers(-(2**63), 2**63 - 1) | NAMES
RATINGS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
FEW_NAMES = st.sampled_from(
    ["ann", "Ann", "ann ", "ａnn", "a\u0301nn", "án", "a\0b", "%", "'; DROP TABLE users; --", "映"]
)
FEW_ITEMS = st.sampled_from([7, "7", -7, "a", "A", "a/b", "\0"])
ACTIONS = st.lists(
    st.tuples(st.just("put"), FEW_NAMES, FEW_ITEMS, RATINGS)
    | st.tuples(st.just("remove"), FEW_NAMES, FEW_ITEMS)
    | st.tuples(st.just("forget"), FEW_NAMES)
    | st.tuples(st.just("many"), FEW_NAMES, st.dictionaries(FEW_ITEMS, RATINGS, max_size=4), st.booleans()),
    max_size=25,
)
ON_ONE_STORE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def empty(store: Store) -> None:
    """Forget everybody."""
    for name in store.users().rows:
        assert store.forget(name)


@ON_ONE_STORE
@given(ACTIONS)
def test_the_store_holds_what_a_dictionary_would(store, actions):
    empty(store)
    expected: dict[str, dict] = {}
    for kind, name, *rest in actions:
        if kind == "put":
            store.put(name, *rest)
            expected.setdefault(name, {})[rest[0]] = rest[1]
        elif kind == "remove":
            assert store.remove(name, rest[0]) == (rest[0] in expected.get(name, {}))
            expected.get(name, {}).pop(rest[0], None)
        elif kind == "forget":
            assert store.forget(name) == (name in expected)
            expected.pop(name, None)
        else:
            removed = store.put_many(name, [(item, rating, None) for item, rating in rest[0].items()], rest[1])
            assert removed == (len(expected.get(name, {})) if rest[1] else 0)
            expected[name] = rest[0] if rest[1] else {**expected.get(name, {}), **rest[0]}
    assert sorted(store.users().rows) == sorted(expected)
    for name, rated in expected.items():
        found = store.ratings(name)
        assert {(type(row.item_id), row.item_id): row.rating for row in found.rows} == {
            (type(item), item): rating for item, rating in rated.items()
        }
        assert found.total == len(rated)
    flat = {(user, type(item), item): rating for user, item, rating, _ in store.everything()}
    assert flat == {(u, type(i), i): r for u, rated in expected.items() for i, r in rated.items()}


@ON_ONE_STORE
@given(NAMES, ITEMS, RATINGS)
def test_any_text_and_number_comes_back_to_the_last_bit(store, name, item, rating):
    put = store.put(name, item, rating)
    (row,) = [row for row in store.ratings(name).rows if row.item_id == item and type(row.item_id) is type(item)]
    assert row == put
    assert store.forget(name)


def test_ratings_come_the_latest_first_and_in_pages(store):
    for item in range(5):
        store.put("ann", item, 1.0)
    store.put("ann", 2, 2.0)
    assert [row.item_id for row in store.ratings("ann").rows] == [2, 4, 3, 1, 0]
    assert [row.item_id for row in store.ratings("ann", limit=2, offset=1).rows] == [4, 3]
    assert store.ratings("ann", limit=2).total == 5


def test_times_are_kept_to_the_microsecond_in_utc(store):
    when = datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    store.put_many("ann", [(1, 5.0, when)], replace=False)
    assert store.ratings("ann").rows[0].rated_at == when


def test_whatever_happens_to_a_rating_is_an_event(store):
    store.put("ann", 1, 5.0)
    store.put("ann", 2, None)
    store.remove("ann", 1)
    store.note("ann", "opened", 3)
    assert [(row.kind, row.item_id) for row in store.events("ann").rows] == [
        ("opened", 3), ("removed", 1), ("seen", 2), ("rated", 1),
    ]  # fmt: skip
    assert store.forget("ann")
    assert store.events("ann") == ([], 0)


def test_an_import_that_fails_leaves_everything_as_it_was(store):
    store.put("ann", 1, 5.0)
    with pytest.raises((DataError, TypeError, ValueError)):
        store.put_many("ann", [(2, 1.0, None), (3, object(), None)], replace=True)
    assert [row.item_id for row in store.ratings("ann").rows] == [1]


def test_writers_at_once_lose_nothing_and_neither_do_users_that_are_forgotten_meanwhile(store):
    failed = []

    def write(k: int) -> None:
        try:
            for item in range(20):
                store.put("all", k * 100 + item, 3.0)
                store.put_many("all", [(j, float(k), None) for j in range(5)], replace=False)
                store.put("fleeting", item, 1.0)
                store.forget("fleeting")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert store.ratings("all").total == 6 * 20 + 5


def test_migrations_make_the_tables_that_the_code_speaks_of(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opening_a_store_again_runs_no_migration_twice(store, store_url):
    store.put("ann", 1, 5.0)
    again = open_database(store_url)
    assert Store(again).ratings("ann").total == 1
    again.close()


def test_sqlite_waits_for_the_disk_before_a_write_is_acknowledged(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar() == 1
    database.close()


def test_postgresql_waits_for_the_disk_before_a_write_is_acknowledged(postgres):
    database = open_database(postgres)
    with database.engine.connect() as connection:
        assert connection.execute(sa.text("SHOW synchronous_commit")).scalar() == "on"
        assert connection.execute(sa.text("SHOW fsync")).scalar() == "on"
    database.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_is_no_store_is_refused(url):
    with pytest.raises(SettingError, match="store"):
        open_database(url)


def test_a_store_that_cannot_be_reached_is_named_without_its_password(tmp_path):
    with pytest.raises(DataError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/x") as error:
        open_database("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(error.value)
    with pytest.raises(DataError, match="unable to open"):
        open_database(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")


def test_a_key_is_valid_until_it_is_revoked_and_only_its_digest_is_kept(store):
    ring = KeyRing(store.database)
    token = ring.create("shop ☃")
    assert ring.is_valid(token)
    assert not any(
        ring.is_valid(wrong) for wrong in (token[:-1], token + "x", "", "hm__", "hm_a_b", "\udc80", token.upper())
    )
    (info,) = ring.all()
    assert info.name == "shop ☃" and info.revoked_at is None
    with store.database.reading() as connection:
        rows = connection.execute(sa.text("SELECT * FROM keys")).all()
    assert token.rpartition("_")[2] not in str(rows)
    ring.revoke(info.key_id)
    assert not ring.is_valid(token)
    with pytest.raises(DataError, match="no valid key"):
        ring.revoke(info.key_id)
