"""Which column is the user, the item, the rating and the time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harmonium.errors import DataError, SettingError

ColumnChoice = str | int | bool | None


class MissingColumnError(DataError):
    """A column that is needed has none of the usual names; `role` says which: user, item or rating.

    Parameters
    ----------
    message : str
    role : str
    """

    def __init__(self, message: str, role: str):
        super().__init__(message)
        self.role = role


USUAL_NAMES = {
    "user": ("userid", "user", "uid", "customerid", "reviewerid", "userindex", "useridx"),
    "item": (
        *("itemid", "item", "movieid", "movie", "iid", "productid", "asin", "bookid", "isbn", "trackid"),
        *("songid", "artistid", "businessid", "locationid", "poiid", "itemindex", "itemidx"),
    ),
    "rating": ("rating", "ratings", "stars", "overall", "score", "weight", "value", "plays", "count"),
    "time": ("timestamp", "time", "ts", "unixreviewtime", "datetime", "date"),
}


@dataclass(frozen=True)
class Columns:
    """Names of the chosen columns; rating and time are None when not read."""

    user: str
    item: str
    rating: str | None
    time: str | None

    def roles(self) -> dict[str, str]:
        """Role by column name, for the columns that are read."""
        named = {"user": self.user, "item": self.item, "rating": self.rating, "time": self.time}
        return {name: role for role, name in named.items() if name is not None}


@dataclass(frozen=True)
class ColumnChoices:
    """What the caller says about the columns: a name, a position, None to guess, False to leave out."""

    user: ColumnChoice = None
    item: ColumnChoice = None
    rating: ColumnChoice = None
    time: ColumnChoice = None

    def resolve(self, names: Sequence[str], where: str) -> Columns:
        """Find the columns among these names, or say which is missing.

        Parameters
        ----------
        names : sequence of str
        where : str
            The file or table, for the message.

        Returns
        -------
        Columns
        """
        user = _find("user", self.user, names, where)
        item = _find("item", self.item, names, where)
        rating = _find("rating", self.rating, names, where)
        time = _find("time", self.time, names, where)
        if user is None or item is None:
            raise SettingError("user and item must name a column; only rating and time can be False")
        if rating is None and self.rating is not False:
            raise _missing("rating", names, where, "; rating=False makes every row a like")
        columns = Columns(user, item, rating, time)
        if len(columns.roles()) < sum(name is not None for name in (user, item, rating, time)):
            raise SettingError(f"{where}: one column is chosen for two roles: {columns}")
        return columns


def guess(role: str, names: Sequence[str]) -> str | None:
    """The column whose name is one of the usual ones for this role, the most usual first.

    Parameters
    ----------
    role : {"user", "item", "rating", "time"}
    names : sequence of str

    Returns
    -------
    str or None
    """
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    return next((plain[usual] for usual in USUAL_NAMES[role] if usual in plain), None)


def _find(role: str, choice: ColumnChoice, names: Sequence[str], where: str) -> str | None:
    if choice is False:
        return None
    if choice is None:
        found = guess(role, names)
        if found is None and role in ("user", "item"):
            raise _missing(role, names, where)
        return found
    if isinstance(choice, str):
        if choice not in names:
            raise DataError(f"{where}: there is no column {choice!r}; the columns are {', '.join(names)}")
        return choice
    if choice is True or not 0 <= choice < len(names):
        raise SettingError(f"{role}={choice!r} is no column of {where}, which has columns 0 to {len(names) - 1}")
    return names[choice]


def _missing(role: str, names: Sequence[str], where: str, more: str = "") -> MissingColumnError:
    return MissingColumnError(
        f'{where}: no {role} column among {", ".join(names)}; name it with {role}="...", on the command line '
        f"--{role} NAME (guessed names: {', '.join(USUAL_NAMES[role][:4])}, ...){more}",
        role,
    )
