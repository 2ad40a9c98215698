"""Ratings and events of people: every write is one transaction, on the disk before it returns."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from harmonium.serving.store.database import TRIES, Database, MetAnotherError
from harmonium.serving.store.tables import events, packed, packed_item, ratings, unpacked, unpacked_item, users

Result = TypeVar("Result")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
READ_AT_ONCE = 10_000  # rows


class Row(NamedTuple):
    """A stored rating."""

    item_id: int | str
    rating: float | None  # None for seen, not rated
    rated_at: datetime


class EventRow(NamedTuple):
    """A stored event."""

    kind: str
    item_id: int | str | None
    rating: float | None
    happened_at: datetime


class Page(NamedTuple):
    """Some rows, and how many there are in all."""

    rows: list[Any]
    total: int


@final
class Store:
    """What people rated and did.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database):
        self.database = database

    def put(self, user_id: str, item_id: int | str, rating: float | None) -> Row:
        """Store a rating in place of an earlier one.

        Parameters
        ----------
        user_id : str
        item_id : int or str
        rating : float or None
            None for seen, not rated.

        Returns
        -------
        Row
        """

        def work(connection: sa.Connection) -> Row:
            user, at = self._user(connection, user_id), now()
            self._upsert(connection, user, [(item_id, rating, at)])
            self._event(connection, user, "seen" if rating is None else "rated", item_id, rating, at)
            return Row(item_id, rating, moment(at))

        return self._write(work)

    def remove(self, user_id: str, item_id: int | str) -> bool:
        """Remove a rating; whether there was one.

        Parameters
        ----------
        user_id : str
        item_id : int or str
        """

        def work(connection: sa.Connection) -> bool:
            user = _found(connection, user_id, lock=True)
            mine = (ratings.c.user == user) & (ratings.c.item == packed_item(item_id))
            if user is None or not connection.execute(sa.delete(ratings).where(mine)).rowcount:
                return False
            self._event(connection, user, "removed", item_id, None, now())
            return True

        return self._write(work)

    def put_many(self, user_id: str, rows: Sequence[tuple[int | str, float | None, datetime | None]], replace: bool):
        """Store ratings together, all or none.

        Parameters
        ----------
        user_id : str
        rows : sequence of (item_id, rating, time)
            Now where the time is None.
        replace : bool
            Remove the user's other ratings.

        Returns
        -------
        int
            How many other ratings were removed.
        """

        def work(connection: sa.Connection) -> int:
            user, at = self._user(connection, user_id), now()
            removed = 0
            if replace:
                removed = connection.execute(sa.delete(ratings).where(ratings.c.user == user)).rowcount
            timed = [(item, rating, at if when is None else microseconds(when)) for item, rating, when in rows]
            self._upsert(connection, user, timed)
            self._event(connection, user, "imported", None, None, at)
            return removed

        return self._write(work)

    def ratings(self, user_id: str, limit: int | None = None, offset: int = 0) -> Page:
        """Ratings of one user, the latest first.

        Parameters
        ----------
        user_id : str
        limit : int, optional
        offset : int

        Returns
        -------
        Page
            Of `Row`.
        """
        with self.database.reading() as connection:
            user = _found(connection, user_id)
            if user is None:
                return Page([], 0)
            mine = ratings.c.user == user
            total = connection.execute(sa.select(sa.func.count()).select_from(ratings).where(mine)).scalar_one()
            columns = sa.select(ratings.c.item, ratings.c.rating, ratings.c.rated_at).where(mine)
            order = columns.order_by(ratings.c.rated_at.desc(), ratings.c.item).limit(limit).offset(offset)
            found = connection.execute(order)
            return Page([Row(unpacked_item(item), rating, moment(at)) for item, rating, at in found], total)

    def note(self, user_id: str, kind: str, item_id: int | str) -> EventRow:
        """Store that a person did something with an item.

        Parameters
        ----------
        user_id : str
        kind : str
        item_id : int or str

        Returns
        -------
        EventRow
        """

        def work(connection: sa.Connection) -> EventRow:
            at = now()
            self._event(connection, self._user(connection, user_id), kind, item_id, None, at)
            return EventRow(kind, item_id, None, moment(at))

        return self._write(work)

    def events(self, user_id: str, limit: int | None = None, offset: int = 0) -> Page:
        """Events of one user, the latest first.

        Parameters
        ----------
        user_id : str
        limit : int, optional
        offset : int

        Returns
        -------
        Page
            Of `EventRow`.
        """
        with self.database.reading() as connection:
            user = _found(connection, user_id)
            if user is None:
                return Page([], 0)
            mine = events.c.user == user
            total = connection.execute(sa.select(sa.func.count()).select_from(events).where(mine)).scalar_one()
            columns = sa.select(events.c.kind, events.c.item, events.c.rating, events.c.happened_at).where(mine)
            found = connection.execute(columns.order_by(events.c.id.desc()).limit(limit).offset(offset))
            rows = [EventRow(k, None if i is None else unpacked_item(i), r, moment(at)) for k, i, r, at in found]
            return Page(rows, total)

    def users(self, limit: int | None = None, offset: int = 0) -> Page:
        """Ids of the users, by when they came.

        Parameters
        ----------
        limit : int, optional
        offset : int

        Returns
        -------
        Page
            Of str.
        """
        with self.database.reading() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one()
            found = connection.execute(sa.select(users.c.name).order_by(users.c.id).limit(limit).offset(offset))
            return Page([unpacked(name) for (name,) in found], total)

    def forget(self, user_id: str) -> bool:
        """Remove a user with all that is stored of them; whether there was one.

        Parameters
        ----------
        user_id : str
        """

        def work(connection: sa.Connection) -> bool:
            user = _found(connection, user_id, lock=True)
            return connection.execute(sa.delete(users).where(users.c.id == user)).rowcount > 0

        return self._write(work)

    def everything(self) -> Iterator[tuple[str, int | str, float | None, int]]:
        """All ratings as (user id, item id, rating or None, seconds since 1970), user by user.

        Yields
        ------
        tuple
        """
        columns = sa.select(users.c.name, ratings.c.item, ratings.c.rating, ratings.c.rated_at)
        joined = columns.join(ratings, ratings.c.user == users.c.id).order_by(users.c.id, ratings.c.item)
        with self.database.reading() as connection:
            streamed = connection.execution_options(stream_results=True, yield_per=READ_AT_ONCE)
            for name, item, rating, at in streamed.execute(joined):
                yield unpacked(name), unpacked_item(item), rating, at // 1_000_000

    def is_there(self) -> bool:
        """Whether the database answers."""
        with self.database.reading() as connection:
            return connection.execute(sa.select(sa.func.max(users.c.id))) is not None

    def _write(self, work: Callable[[sa.Connection], Result]) -> Result:
        for _ in range(TRIES - 1):
            try:
                with self.database.writing() as connection:
                    return work(connection)
            except (IntegrityError, MetAnotherError):  # the user was forgotten between two statements, say: begin again
                continue
        with self.database.writing() as connection:
            return work(connection)

    def _user(self, connection: sa.Connection, user_id: str) -> int:
        """The row of a user, made where there is none."""
        new = self.database.insert(users).values(name=packed(user_id), created_at=now())
        connection.execute(new.on_conflict_do_nothing(index_elements=["name"]))
        found = _found(connection, user_id, lock=True)
        if found is None:
            raise MetAnotherError("the user was forgotten just now; try again")
        return found

    def _upsert(self, connection: sa.Connection, user: int, rows: list[tuple[int | str, float | None, int]]) -> None:
        if not rows:
            return
        insert = self.database.insert(ratings)
        changed = {"rating": insert.excluded.rating, "rated_at": insert.excluded.rated_at}
        statement = insert.on_conflict_do_update(index_elements=["user", "item"], set_=changed)
        named = [{"user": user, "item": packed_item(i), "rating": r, "rated_at": at} for i, r, at in rows]
        named.sort(key=lambda row: row["item"])  # two imports at once lock their rows in one order
        connection.execute(statement, named)

    @staticmethod
    def _event(
        connection: sa.Connection, user: int, kind: str, item_id: int | str | None, rating: float | None, at: int
    ) -> None:
        item = None if item_id is None else packed_item(item_id)
        row = {"user": user, "kind": kind, "item": item, "rating": rating, "happened_at": at}
        connection.execute(sa.insert(events), row)


def _found(connection: sa.Connection, user_id: str, lock: bool = False) -> int | None:
    """The row of a user; locked, so that writes about one user come one after the other, where it is to be written."""
    wanted = sa.select(users.c.id).where(users.c.name == packed(user_id))
    return connection.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


def moment(at: int) -> datetime:
    """A time in UTC.

    Parameters
    ----------
    at : int
        Microseconds since 1970.
    """
    return EPOCH + timedelta(microseconds=at)


def microseconds(when: datetime) -> int:
    """The inverse of `moment`; a time without a zone is taken as UTC.

    Parameters
    ----------
    when : datetime
    """
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
