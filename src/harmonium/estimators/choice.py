"""What every model of choices does: score, recommend, explain and calibrate for anybody's history."""

import os
from collections.abc import Generator, Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.data import Interactions, Vocabulary
from harmonium.errors import DataError, HarmoniumError, ModelFileError, SettingError
from harmonium.estimators.base import Estimator, Watch
from harmonium.estimators.histories import (
    BATCH_BYTES,
    Asked,
    Validation,
    checked_validation,
    nothing,
    numbered,
    some_rows,
    sparse,
)
from harmonium.events import Ended, Event
from harmonium.kernels import choices as kernels
from harmonium.models.score_calibration import ScoreCalibration, fit_calibration
from harmonium.training.settings import check_count

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer]
MOST_ASKED = 1_000_000  # places of a list
MOST_CALIBRATION = 20_000_000  # scores that calibration looks at


class ChoiceModel(Estimator):
    """Abstract. Learns from `Interactions`, and answers for any history over its items, known users' or new ones'.

    A history is `Interactions` whose rows are people; items the model does not know are left out of it. Someone of
    whose history nothing is left gets the popular list. A subclass has `_learn`, `_scores` and its arrays.
    """

    learns_in_epochs = False
    items_: Vocabulary | None = None
    popularity_: npt.NDArray[np.int64] | None = None
    calibration_: ScoreCalibration | None = None
    history_: tuple[Event, ...] = ()
    _by_cube_root = False  # whether rows share the scale of the cube root of scores, and not that of scores
    interrupted = False  # whether Ctrl-C ended the last `fit`
    _learnt = False  # whether what is learned by now makes a model

    def fit(
        self,
        interactions: Interactions,
        y: None = None,
        *,
        validation: Validation | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> Self:
        """Learn who chooses what together with what. Ctrl-C ends it with the best model so far.

        Parameters
        ----------
        interactions : Interactions
        y : None
            Part of the estimator contract.
        validation : (Interactions, Interactions), optional
            What is known of validation users, and what they chose besides, row by row. Machines that learn in epochs
            keep the best one by nDCG@100 on them; closed forms have no use for it.
        checkpoint : path, optional
            File to write every 20 seconds and after each machine, by what learns in epochs.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists. It does not hold couplings of a closed form,
            which are learned again.
        watch : callable or callables
            Called with every event.

        Returns
        -------
        self

        Raises
        ------
        SettingError
            A setting is out of range.
        DataError
            There is nothing to learn from.
        NotEnoughMemoryError
            It does not fit; the message says what does.
        DivergenceError
            Learning diverged before any epoch ended well.
        ModelFileError
            The checkpoint is of other choices or settings.
        """
        run = self.fitting(interactions, validation, checkpoint=checkpoint, resume=resume)
        return self._watched(run, watch)

    def fitting(
        self,
        interactions: Interactions,
        validation: Validation | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> Generator[Event, None, None]:
        """Learn as `fit` does, handing out events on the way; whenever it ends, the model is the best so far.

        Parameters
        ----------
        interactions : Interactions
        validation : (Interactions, Interactions), optional
        checkpoint : path, optional
        resume : bool

        Yields
        ------
        Event
        """
        if not isinstance(interactions, Interactions):
            kind = type(interactions).__name__
            raise DataError(f"choices are learned from Interactions, not {kind}; see Ratings.interactions")
        if not interactions.n_entries:
            raise DataError("there are no interactions to learn from")
        if validation is not None:
            validation = checked_validation(validation, interactions.items)
        if checkpoint is not None and not self.learns_in_epochs:
            raise SettingError(
                f"checkpoint: a {type(self).__name__} is learned in one go and writes none; leave it out"
            )
        self._learnt, self.interrupted, seen = False, True, []
        run = self._learn(interactions, Asked(validation, checkpoint, resume))
        try:
            for event in run:
                seen.append(event)
                yield event
            self._has_learnt(interactions)
            self.interrupted = any(isinstance(event, Ended) and event.reason == "interrupted" for event in seen)
        except KeyboardInterrupt:
            if not self._learnt:
                raise
        finally:
            run.close()
            if self._learnt:
                self.history_ = tuple(seen)

    def _has_learnt(self, interactions: Interactions) -> None:
        """Say that what is learned by now makes a model of these interactions."""
        self.items_, self.popularity_ = interactions.items, interactions.popularity()
        self.calibration_, self._learnt = None, True

    def _has_model(self) -> bool:
        return self._learnt

    def _learn(self, interactions: Interactions, asked: Asked) -> Generator[Event, None, None]:
        raise NotImplementedError

    def _scores(self, history: Interactions) -> Floats:
        """Scores (n_users, n_items) of histories over the model's own items."""
        raise NotImplementedError

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        """Plain values and arrays of what was learned, besides what all models of choices keep."""
        raise NotImplementedError

    def take_parts(self, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> None:
        """Take what `to_parts` gave.

        Parameters
        ----------
        header : dict
        arrays : dict of arrays
        """
        raise NotImplementedError

    @property
    def n_items(self) -> int:
        """Items the model knows."""
        return len(self._fitted("items_"))

    def scores(self, history: Interactions) -> Floats:
        """Score every item for every row of a history; higher is more likely to be chosen next.

        Parameters
        ----------
        history : Interactions

        Returns
        -------
        float32 array, (n_users, n_items)
            Of one row, only the order and differences mean something. Items of the history are scored too, as they
            would be had they not been chosen, where the model can tell. A row without known items is scored by log
            popularity.
        """
        known = self._known(history)
        found = self._scores(known)
        empty = np.diff(known.indptr) == 0
        if empty.any():
            found[empty] = np.log1p(self._fitted("popularity_")).astype(np.float32)
        return found

    def batches(self, history: Interactions, batch_size: int | None = None) -> Iterator[tuple[slice, Interactions]]:
        """Rows of a history in batches whose scores take little memory.

        Parameters
        ----------
        history : Interactions
        batch_size : int, optional
            Chosen so that a batch of scores has 64 MiB when not given.

        Yields
        ------
        slice
            Which rows.
        Interactions
            They alone.
        """
        size = max(1, BATCH_BYTES // (4 * max(1, self.n_items))) if batch_size is None else batch_size
        check_count("batch_size", size, 1, 1 << 31)
        for start in range(0, history.n_users, size):
            stop = min(start + size, history.n_users)
            yield slice(start, stop), some_rows(history, start, stop)

    def recommend(
        self,
        history: Interactions,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        allow: Any = None,
        deny: Any = None,
        batch_size: int | None = None,
    ) -> tuple[npt.NDArray[np.int32], Floats]:
        """The best items for every row of a history.

        Parameters
        ----------
        history : Interactions
        n : int
            Places of each list; all are filled wherever the filters leave as many items.
        exclude_seen : bool
            Whether to leave out the items of the history.
        allow, deny : int array of item indices, or bool array (n_items,), optional
            Only these items; none of these. The same for all rows.
        batch_size : int, optional

        Returns
        -------
        item : int32 array, (n_users, n)
            Item indices, the best first; -1 where no item is left. `items_` says what they stand for.
        score : float32 array, (n_users, n)
            -inf where no item is left.

        Notes
        -----
        Of equal scores the more popular item goes first, then the smaller index.
        """
        check_count("n", n, 1, MOST_ASKED)
        allowed = np.ones(self.n_items, bool) if allow is None else self._mask("allow", allow)
        if deny is not None:
            allowed &= ~self._mask("deny", deny)
        history = self._known(history)
        item = np.full((history.n_users, n), -1, np.int32)
        score = np.full((history.n_users, n), -np.inf, np.float32)
        popular, width = self._fitted("popularity_"), min(n, self.n_items)
        for rows, part in self.batches(history, batch_size):
            left_out = sparse(part) if exclude_seen else nothing(part.n_users)
            found = kernels.top(self.scores(part), left_out, popular, allowed, width)
            item[rows, :width], score[rows, :width] = found
        return item, score

    def explain(self, history: Interactions, item: int) -> npt.NDArray[np.float64]:
        """What every entry of one person's history adds to an item's score: (n_entries,).

        The score of the whole history less that of the history without the entry: for the fully visible machine these
        add up to the score, for others they need not.

        Parameters
        ----------
        history : Interactions
            Of one row, over the model's items.
        item : int
            Item index.

        Raises
        ------
        DataError
            The history is not of one person, or has items the model does not know.
        SettingError
            There is no such item.
        """
        check_count("item", item, 0, self.n_items - 1)
        return self.contributions(history, np.array([item]))[:, 0]

    def contributions(self, history: Interactions, items: Ints) -> npt.NDArray[np.float64]:
        """The same for several items, all from one pass over the histories that lack an entry: (n_entries, n_asked).

        Parameters
        ----------
        history : Interactions
            Of one row, over the model's items.
        items : int array, (n_asked,)
            Item indices.

        Raises
        ------
        DataError
            The history is not of one person, or has items the model does not know.
        """
        known = self._known(history)
        if known.n_users != 1 or known.n_entries != history.n_entries:
            raise DataError(f"explain takes the history of one person over known items, not {history!r}")
        n = known.n_entries
        if not n:
            return np.zeros((0, len(items)))
        kept = np.tile(np.arange(n), (n + 1, 1))[~np.vstack([np.eye(n, dtype=bool), np.zeros((1, n), bool)])]
        indptr = np.append(np.arange(n + 1) * (n - 1), len(kept))
        weight = None if known.weight is None else known.weight[kept]
        rows = Interactions(indptr, known.item[kept], numbered(n + 1), known.items, weight)
        found = np.concatenate([self._scores(part)[:, items] for _, part in self.batches(rows)]).astype(np.float64)
        return found[-1] - found[:-1]

    def calibrate(self, history: Interactions, held_out: Interactions) -> Self:
        """Learn what scores mean: the probability of being among the choices held out of validation users'.

        Parameters
        ----------
        history, held_out : Interactions
            The same rows: what is known of validation users, and what they chose besides. Nobody the model learned
            from, or its probabilities are too high.

        Returns
        -------
        self
        """
        known, held_out = checked_validation((history, held_out), self._fitted("items_"))
        score, chosen, n = [], [], 0
        for rows, part in self.batches(known):
            if n > MOST_CALIBRATION:
                break
            asked = np.ones((part.n_users, self.n_items), bool)
            asked[part.user_of(), part.item] = False
            asked[np.diff(part.indptr) == 0] = False  # the popular list is on a scale of its own
            happened = np.zeros_like(asked)
            wanted = some_rows(held_out, rows.start, rows.stop)
            happened[wanted.user_of(), wanted.item] = True
            score.append(self._relative(self.scores(part))[asked])
            chosen.append(happened[asked])
            n += asked.sum()
        popularity = self._fitted("popularity_")
        held_by_each = held_out.n_entries / max(1, int((np.diff(held_out.indptr) > 0).sum()))
        per_choice = held_by_each / max(1, int(popularity.sum()))
        self.calibration_ = fit_calibration(np.concatenate(score), np.concatenate(chosen), per_choice)
        return self

    def probabilities(self, history: Interactions) -> Floats:
        """Probability that each item is among someone's next choices: (n_users, n_items).

        Parameters
        ----------
        history : Interactions

        Raises
        ------
        SettingError
            The model is not calibrated.

        Notes
        -----
        See `ScoreCalibration`. Scores are ranked the same. Of someone without known choices, an item's share of all
        choices counts, times as many as were held out.
        """
        if self.calibration_ is None:
            raise SettingError("probabilities need a calibrated model; call calibrate(history, held_out) first")
        known = self._known(history)
        found = self.calibration_(self._relative(self.scores(known)))
        empty = np.diff(known.indptr) == 0
        found[empty] = self.calibration_.by_popularity(self._fitted("popularity_"))
        return found

    def before_calibration(self, history: Interactions) -> tuple[Floats, bool]:
        """Scores for a calibration curve to be read at, and whether at their cube root.

        Parameters
        ----------
        history : Interactions

        Returns
        -------
        scores : float32 array, (n_users, n_items)
        root : bool
        """
        found = self.scores(self._known(history))
        return (found, True) if self._by_cube_root else (self._relative(found), False)

    def _relative(self, scores: Floats) -> Floats:
        """Scores on a scale that rows share."""
        return np.cbrt(scores) if self._by_cube_root else scores

    def _known(self, history: Interactions) -> Interactions:
        items = self._fitted("items_")
        if not isinstance(history, Interactions):
            raise DataError(f"a history is Interactions, not {type(history).__name__}")
        return history.brought_to(items)

    def _mask(self, name: str, which: Any) -> npt.NDArray[np.bool_]:
        which = np.asarray(which)
        if which.dtype == bool:
            if which.shape != (self.n_items,):
                raise SettingError(f"{name}: a mask has shape ({self.n_items},), not {which.shape}")
            return which.copy()
        mask = np.zeros(self.n_items, bool)
        if which.size and (which.dtype.kind not in "iu" or which.min() < 0 or which.max() >= self.n_items):
            raise SettingError(f"{name}: {which.tolist()[:5]} are not item indices from 0 to {self.n_items - 1}")
        mask[which.astype(np.int64)] = True
        return mask

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file that holds all of it; it appears whole or not at all.

        Parameters
        ----------
        path : path
        """
        header, arrays = packed(self)
        storage.write(path, type(self).__name__, header, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, holds another kind of model, or is of a later version.
        """
        header, arrays = storage.read(path, cls.__name__)
        try:
            return unpacked(cls(), header, arrays)
        except (HarmoniumError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: is incomplete or damaged ({error})") from error


def packed(model: ChoiceModel) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Header and arrays of a fitted model.

    Parameters
    ----------
    model : ChoiceModel
    """
    items = model._fitted("items_")
    header, arrays = model.to_parts()
    arrays = storage.prefixed("model.", arrays) | storage.prefixed("items.", items.to_arrays())
    arrays["popularity"] = model._fitted("popularity_")
    if model.calibration_ is not None:
        arrays |= storage.prefixed("calibration.", model.calibration_.to_arrays())
    return {"settings": model.get_params(), "model": header}, arrays


def unpacked(model: Any, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> Any:
    """Give a model what `packed` took from another.

    Parameters
    ----------
    model : ChoiceModel
    header : dict
    arrays : dict of arrays
    """
    model.set_params(**header["settings"])
    model.items_ = Vocabulary.from_arrays(storage.under("items.", arrays))
    model.popularity_ = arrays["popularity"]
    calibration = storage.under("calibration.", arrays)
    model.calibration_ = ScoreCalibration.from_arrays(calibration) if calibration else None
    model.take_parts(header["model"], storage.under("model.", arrays))
    return model
