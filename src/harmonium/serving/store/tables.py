"""The tables, and how ids become text that every database keeps as it is.

Ids are stored as JSON without the surrounding quotes, ASCII only: no collation, no normalisation and no byte that a
database refuses can then make two ids one, or lose one. Times are microseconds since 1970, UTC.
"""

import json

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows by INTEGER columns alone

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Key, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("user", Key, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("rating", sa.Double, nullable=True),
    sa.Column("rated_at", sa.BigInteger, nullable=False),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Key, primary_key=True, autoincrement=True),
    sa.Column("user", Key, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("item", sa.Text, nullable=True),
    sa.Column("rating", sa.Double, nullable=True),
    sa.Column("happened_at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("revoked_at", sa.BigInteger, nullable=True),
)


def packed(text: str) -> str:
    """A text as ASCII that no database changes.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> packed("né'e\\0")
    "n\\\\u00e9'e\\\\u0000"
    """
    return json.dumps(text)[1:-1]


def unpacked(text: str) -> str:
    """The inverse of `packed`.

    Parameters
    ----------
    text : str
    """
    return json.loads(f'"{text}"')


def packed_item(item_id: int | str) -> str:
    """An item id as text: a number as it is, a text in quotes, so that 7 and "7" stay two ids.

    Parameters
    ----------
    item_id : int or str
    """
    return json.dumps(item_id)


def unpacked_item(text: str) -> int | str:
    """The inverse of `packed_item`.

    Parameters
    ----------
    text : str
    """
    return json.loads(text)
