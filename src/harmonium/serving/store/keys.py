"""API keys: shown once, kept as digests."""

import hashlib
import hmac
import secrets
import threading
import time
from typing import NamedTuple, final

import sqlalchemy as sa

from harmonium.errors import DataError
from harmonium.serving.store.database import Database
from harmonium.serving.store.people import moment, now
from harmonium.serving.store.tables import keys, packed, unpacked

PREFIX = "hm"
ID_BYTES, SECRET_BYTES = 6, 32  # a secret of 256 random bits needs no slow digest
REMEMBERED_SECONDS = 2.0  # a revoked key may work for so long
MOST_REMEMBERED = 10_000


class KeyInfo(NamedTuple):
    """A key, without its secret."""

    key_id: str
    name: str
    created_at: str
    revoked_at: str | None


@final
class KeyRing:
    """The keys of a store.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database):
        self.database = database
        self._seen: dict[str, tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def create(self, name: str) -> str:
        """Make a key.

        Parameters
        ----------
        name : str
            Whose it is, or what for.

        Returns
        -------
        str
            The key; only its digest is kept.
        """
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        row = {"id": key_id, "name": packed(name), "digest": digest(secret), "created_at": now()}
        with self.database.writing() as connection:
            connection.execute(sa.insert(keys), row)
        return f"{PREFIX}_{key_id}_{secret}"

    def revoke(self, key_id: str) -> None:
        """Make a key invalid.

        Parameters
        ----------
        key_id : str

        Raises
        ------
        DataError
            There is no such key.
        """
        change = sa.update(keys).where(keys.c.id == packed(key_id), keys.c.revoked_at.is_(None))
        with self.database.writing() as connection:
            if not connection.execute(change.values(revoked_at=now())).rowcount:
                raise DataError(f"there is no valid key {key_id!r}; harmonium keys list shows them")
        with self._lock:
            self._seen.clear()

    def all(self) -> list[KeyInfo]:
        """All keys, the revoked ones included, by when they were made."""
        columns = sa.select(keys.c.id, keys.c.name, keys.c.created_at, keys.c.revoked_at).order_by(keys.c.created_at)
        with self.database.reading() as connection:
            return [
                KeyInfo(key_id, unpacked(name), _said(made), None if revoked is None else _said(revoked))
                for key_id, name, made, revoked in connection.execute(columns)
            ]

    def is_valid(self, token: str) -> bool:
        """Whether this is a key that was not revoked.

        Parameters
        ----------
        token : str
        """
        seen, at = digest(token), time.monotonic()
        with self._lock:
            until, valid = self._seen.get(seen, (0.0, False))
            if at < until:
                return valid
        valid = self._look_up(token)
        with self._lock:
            if len(self._seen) >= MOST_REMEMBERED:
                self._seen.clear()
            self._seen[seen] = (at + REMEMBERED_SECONDS, valid)
        return valid

    def _look_up(self, token: str) -> bool:
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not key_id.isascii() or not key_id.isalnum():
            return False
        wanted = sa.select(keys.c.digest).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        with self.database.reading() as connection:
            kept = connection.execute(wanted).scalar_one_or_none()
        return kept is not None and hmac.compare_digest(kept, digest(secret))


def digest(secret: str) -> str:
    """Hexadecimal SHA-256 of a text.

    Parameters
    ----------
    secret : str
    """
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).hexdigest()


def _said(at: int) -> str:
    return moment(at).isoformat(timespec="seconds")
