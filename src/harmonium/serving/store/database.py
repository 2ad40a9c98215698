"""Opening a database: its engine, its settings, its migrations."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, OperationalError, SQLAlchemyError

from harmonium.errors import DataError, SettingError

BUSY_MS = 30_000  # that SQLite waits for another process's write
POOL = 20  # connections to PostgreSQL, and as many more in a rush
MIGRATIONS = Path(__file__).parent / "_migrations"
TRIES = 5  # at a write that met another one
UNDONE = ("40001", "40P01")  # SQL states: could not serialise, deadlock
WRITES = {"harmonium_writes": True}


@final
class Database:
    """An engine with what a write needs around it.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    def __init__(self, engine: sa.Engine):
        self.engine = engine
        # SQLite has one writer at a time; its own way to wait is to sleep and try again, neither fair nor fast
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database."""
        with _said_plainly(self.engine), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction whose changes are on the disk once it is left."""
        with _said_plainly(self.engine):
            if self._turn is not None:
                self._turn.acquire()
            try:
                with self.engine.connect().execution_options(**WRITES) as connection, connection.begin():
                    yield connection
            finally:
                if self._turn is not None:
                    self._turn.release()

    def insert(self, table: sa.Table) -> Any:
        """An insert that can be told what to do on conflict.

        Parameters
        ----------
        table : sqlalchemy.Table
        """
        from sqlalchemy.dialects import postgresql, sqlite

        return (sqlite if self.engine.dialect.name == "sqlite" else postgresql).insert(table)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str, migrate: bool = True) -> Database:
    """Open a database and bring its tables up to date.

    Parameters
    ----------
    url : str
        "sqlite:///file.db", or "postgresql://user:password@host/name".
    migrate : bool

    Returns
    -------
    Database

    Raises
    ------
    SettingError
        The address is no such thing.
    DataError
        The database cannot be reached.
    """
    engine = _engine(url)
    with _said_plainly(engine):
        if migrate:
            upgrade(engine)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    return Database(engine)


def upgrade(engine: sa.Engine) -> None:
    """Run the migrations that the database has not seen.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect().execution_options(**WRITES) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _engine(url: str) -> sa.Engine:
    try:
        address = sa.make_url(url)
    except ArgumentError:
        raise SettingError(f"store: {url!r} is no address, as sqlite:///ratings.db or postgresql://host/name") from None
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingError(f"store: {address.drivername} is neither sqlite nor postgresql")
    try:
        if address.get_backend_name() == "postgresql":
            return sa.create_engine(address, pool_size=POOL, max_overflow=POOL, pool_pre_ping=True)
        return _sqlite(address)
    except (NoSuchModuleError, ImportError) as error:
        raise SettingError(f"store: {address.drivername} needs a driver that is not installed ({error})") from None


def _sqlite(address: sa.URL) -> sa.Engine:
    if address.database in (None, "", ":memory:"):
        raise SettingError("store: SQLite needs a file, as sqlite:///ratings.db; what is in memory is not durable")
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not when the driver thinks fit
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("harmonium_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class MetAnotherError(DataError):
    """A write met another one and was undone; it may be tried again."""


@contextmanager
def _said_plainly(engine: sa.Engine) -> Iterator[None]:
    """Turn what a database says into an error with the address, its password left out."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        where = engine.url.render_as_string(hide_password=True)
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        kind = MetAnotherError if getattr(getattr(error, "orig", None), "sqlstate", "") in UNDONE else DataError
        fix = "check that the server runs and the address is right" if isinstance(error, OperationalError) else ""
        raise kind(f"store {where}: {reason}; {fix or 'see the log of the database'}") from error
