"""Interactions from files and tables."""

from typing import Any

import numpy as np

from harmonium.data._columns import ColumnChoice, ColumnChoices
from harmonium.data.interactions import Interactions
from harmonium.data.reading import ID_RULES, _check_choice, source_batches
from harmonium.errors import DataError, SettingError


class NoChoicesError(DataError):
    """A source has no choices, or none is left of it."""


def read_interactions(
    source: Any,
    *,
    user: ColumnChoice = None,
    item: ColumnChoice = None,
    value: ColumnChoice = None,
    time: ColumnChoice = None,
    at_least: float | None = None,
    weights: bool = False,
    ids: str = "auto",
    duplicates: str = "sum",
) -> Interactions:
    """Read who chose what from files or a table.

    Parameters
    ----------
    source : path, str, sequence of them, or table
        As for `read_ratings`.
    user, item : str or int, optional
        Name or position of the column; guessed from the usual names when not given.
    value : str, int or False, optional
        The column of ratings, counts or the like; guessed when `at_least` or `weights` asks for it.
    time : str, int or False, optional
        Kept when there is such a column.
    at_least : float, optional
        Only rows whose value is at least this; a missing value is not.
    weights : bool, default False
        Whether the value becomes the entry's weight; otherwise every row counts 1.
    ids : {"auto", "text"}, default "auto"
    duplicates : {"sum", "first", "last", "error"}, default "sum"
        What repeated events become; see `Interactions.from_arrays`.

    Returns
    -------
    Interactions
        With `row`, the place of every entry among the rows of the source.

    Raises
    ------
    DataError
        With file and line, the value and the fix.
    SettingError
        A setting is not one of those above.

    Examples
    --------
    >>> read_interactions("ratings.csv", at_least=4)  # doctest: +SKIP
    Interactions(609 users, 6,298 items, 48,580 entries, with time)
    """
    from harmonium.data._encoding import _Codes

    _check_choice("ids", ids, ID_RULES)
    wanted = at_least is not None or weights
    if value is False and wanted:
        raise SettingError("at_least and weights need the value column, but value=False leaves it out")
    columns: dict[str, list[np.ndarray]] = {}
    codes, n_rows = {"user": _Codes(), "item": _Codes()}, 0
    for batch in source_batches(source, ColumnChoices(user, item, value if wanted else False, time), ids):
        kept = _kept(batch, at_least, weights)
        for role in ("user", "item"):
            columns.setdefault(role, []).append(_encoded(batch, role, codes[role])[kept])
        columns.setdefault("row", []).append(n_rows + kept)
        if weights:
            columns.setdefault("weight", []).append(batch.frame["rating"].to_numpy()[kept])
        if "time" in batch.frame.columns:
            columns.setdefault("time", []).append(batch.frame["time"].fill_null(0).to_numpy()[kept])
        n_rows += len(batch.frame)
    if not sum(map(len, columns.get("row", []))):
        raise NoChoicesError("there are no interactions in the source" + _why_none(at_least))
    return _assembled({name: np.concatenate(parts) for name, parts in columns.items()}, codes, duplicates)


def _why_none(at_least: float | None) -> str:
    return "" if at_least is None else f" with a value of at least {at_least:g}"


def _kept(batch: Any, at_least: float | None, weights: bool) -> np.ndarray:
    """Rows of a batch to keep."""
    if at_least is None and not weights:
        return np.arange(len(batch.frame))
    values = batch.frame["rating"].fill_null(float("nan")).to_numpy()
    if at_least is None:
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise DataError(f"{batch.place(at)}: the weight {values[at]:g} is not a number above 0")
        return np.arange(len(values))
    return np.flatnonzero(values >= at_least)


def _encoded(batch: Any, role: str, codes: Any) -> np.ndarray:
    keys = batch.frame[role]
    if keys.null_count():
        at = int(np.argmax(keys.is_null().to_numpy()))
        raise DataError(f"{batch.place(at)}: the {role} id is missing")
    if len(codes.known) and codes.known["key"].dtype != keys.dtype:
        raise DataError(f'{batch.place(0)}: {role} id {keys[0]!r} differs in type from those before; pass ids="text"')
    return codes.encode(keys)


def _assembled(columns: dict[str, np.ndarray], codes: dict[str, Any], duplicates: str) -> Interactions:
    (users, user_rank), (items, item_rank) = codes["user"].vocabulary(), codes["item"].vocabulary()
    user, item = user_rank[columns["user"]], item_rank[columns["item"]]
    more = (columns.get(name) for name in ("weight", "time", "row"))
    found = Interactions.from_arrays(user, item, users, items, *more, duplicates=duplicates)
    present = np.diff(found.indptr) > 0, found.popularity() > 0
    return found if all(mask.all() for mask in present) else found.restricted(*present)
