"""The suite of an estimator of dense machines: what it does with bad input, and when learning diverges.

`class TestMine(EstimatorSuite): estimator = Mine(3, n_epochs=1)`, with `X` where 0 and 1 are no states of its units.
"""

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from harmonium.errors import DataError, DivergenceError, HarmoniumError, NotFittedError, SettingError

WHERE = (3, 1)  # row and column of what is wrong
READERS = ("transform", "score_samples", "score", "free_energy", "bracket", "bound", "predict", "predict_proba",
           "predict_log_proba", "infer", "hidden_means", "gibbs")  # fmt: skip
HALF = [True, True, False, False]  # of four columns, which are known
BITS = np.tile([[0.0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 1]], (4, 1))  # (12, 4)


class EstimatorSuite:
    """Tests that every estimator of dense machines passes; a subclass names the estimator.

    Attributes
    ----------
    estimator : Estimator
        Not fitted, quick to fit.
    X : floats, (n_cases, 4)
        At least four rows that it learns from.
    given : dict
        What else `fit` takes, one a case, such as labels or conditions.
    bad_value : float or None
        No state of a unit; None where every finite number is one.
    sparsely : bool
        Whether it takes sparse rows.
    refuses : tuple of str
        Methods that it has only to say why there is no answer.
    diverging : dict
        Settings with which learning diverges.
    rows_that_diverge : floats, (n, n_columns), or None
        What it then learns from; X where None.
    """

    estimator: Any
    X: Any = BITS
    given: ClassVar[dict[str, Any]] = {}
    bad_value: float | None = 2.5
    sparsely: bool = True
    refuses: tuple[str, ...] = ()
    diverging: ClassVar[dict[str, Any]] = {}
    rows_that_diverge: Any = None

    def made(self, **settings: Any) -> Any:
        """Return an estimator that is not fitted.

        Parameters
        ----------
        **settings
            Other than those of `estimator`.
        """
        return type(self.estimator)(**self.estimator.get_params() | settings)

    def fitted(self) -> Any:
        """Return a fitted estimator."""
        return self.made().fit(self.X, **self.given)

    def more(self, n: int, verb: str) -> dict[str, Any]:
        """What a method takes beside so many rows: labels only where it learns.

        Parameters
        ----------
        n : int
        verb : str
        """
        learns = verb in ("fit", "partial_fit", "score")
        return {name: np.resize(a, (n, *a.shape[1:])) for name, a in self.given.items() if learns or name != "y"}

    def readers(self) -> list[str]:
        """Methods that read rows."""
        return [name for name in READERS if hasattr(self.estimator, name) and name not in self.refuses]

    def calls(self, X: Any, n: int | None = None) -> list[tuple[str, Callable[[], Any]]]:
        """Everything that reads rows, about to read these.

        Parameters
        ----------
        X : array-like
        n : int, optional
            Rows that are given beside them, where X does not say it.
        """
        rows, old = len(X) if n is None else n, self.fitted()
        verbs = [(self.made(), "fit"), (self.made(), "partial_fit"), (old, "partial_fit")]
        verbs = [(one, verb) for one, verb in verbs if hasattr(one, verb)] + [(old, verb) for verb in self.readers()]
        return [
            (f"{verb} of {one}", lambda one=one, verb=verb: getattr(one, verb)(X, **self.more(rows, verb)))
            for one, verb in verbs
        ]

    def bad_values(self) -> list[float]:
        """Values that are no state of a unit."""
        return [np.nan, np.inf, *([] if self.bad_value is None else [self.bad_value])]

    def spoilt(self, value: float) -> Any:
        """Rows with one value in the wrong place.

        Parameters
        ----------
        value : float
        """
        X = np.array(self.X, float)
        X[WHERE] = value
        return X

    def test_a_value_that_is_no_state_is_refused_by_row_and_column(self):
        for value in self.bad_values():
            for name, call in self.calls(self.spoilt(value)):
                refused(call, DataError, "row 3, column 1", name)

    def test_sparse_rows_are_refused_likewise(self):
        if not self.sparsely:
            refused(lambda: self.made().fit(sparse.csr_array(self.X), **self.given), DataError, "dense", "fit")
            return
        for value in self.bad_values():
            X = sparse.csr_array(self.spoilt(value))
            for name, call in self.calls(X, len(self.X)):
                refused(call, DataError, "row 3, column 1", name)

    def test_another_width_than_that_of_fit_is_refused(self):
        for name, call in self.calls(self.X[:, :-1])[2 if hasattr(self.estimator, "partial_fit") else 1 :]:
            refused(call, DataError, f"expecting {self.X.shape[1]} features", name)

    def test_what_is_no_table_of_numbers_is_refused(self):
        for X, message in [
            (self.X[:0], "0 sample(s)"), (self.X[:, :0], "0 feature(s)"), (self.X[0], "Reshape your data"),
            ([["a"] * self.X.shape[1]] * 4, "not all numbers"), ([[0, 1], [0]], "not all numbers"),
        ]:  # fmt: skip
            for name, call in self.calls(X):
                refused(call, DataError, message, name)

    def test_what_was_refused_leaves_the_machine_as_it_was(self):
        machine = self.fitted()
        model, verbs = machine.model_, [v for v in ("fit", "partial_fit") if hasattr(machine, v)]
        for verb in verbs:
            for X in (self.spoilt(np.nan), self.X[:0]):
                with contextlib.suppress(HarmoniumError):
                    getattr(machine, verb)(X, **self.more(len(X), verb))
                assert machine.model_ is model, verb
        if "partial_fit" in verbs:
            machine.partial_fit(self.X[:5], **self.more(5, "partial_fit"))
        assert np.isfinite(machine.transform(self.X, **self.more(len(self.X), "transform"))).all()

    def test_a_machine_that_is_not_fitted_says_so(self):
        for name in self.readers():
            call, more = getattr(self.made(), name), self.more(len(self.X), name)
            refused(lambda call=call, more=more: call(self.X, **more), NotFittedError, "not fitted", name)

    def test_what_is_not_known_may_hold_anything_and_what_is_known_not(self):
        if not hasattr(self.estimator, "fill_in"):
            return
        machine, more = self.fitted(), self.more(len(self.X), "fill_in")
        asked = np.where(HALF, self.X, np.nan)
        filled = machine.fill_in(asked, HALF, rng=0, **more)
        np.testing.assert_array_equal(filled[:, HALF], np.asarray(self.X, np.float32)[:, HALF])
        assert np.isfinite(filled).all()
        for value in self.bad_values():
            X = self.spoilt(value)
            refused(lambda X=X: machine.fill_in(X, HALF, rng=0, **more), DataError, "row 3, column 1", "fill_in")
        refused(lambda: machine.fill_in(asked, HALF[:3], rng=0, **more), SettingError, "known", "fill_in")
        refused(lambda: machine.fill_in(asked[:, :3], HALF[:3], rng=0, **more), DataError, "4 features", "fill_in")

    def test_too_few_draws_or_steps_are_refused_by_name(self):
        if not hasattr(self.estimator, "sample"):
            return
        machine = self.fitted()
        steps = "n_sweeps" if "n_sweeps" in machine.sample.__kwdefaults__ else "n_steps"
        if self.given:  # one draw for each of these
            what = next(iter(self.given.values()))
            wrong = [(what[:0], 1, "0"), (what[:1], 0, f"{steps}: 0")]
        else:
            wrong = [(0, 1, "n: 0"), (-1, 1, "n: -1"), (1, 0, f"{steps}: 0")]
        for ask, n_steps, message in wrong:
            how = {"rng": 0, steps: n_steps}
            refused(lambda ask=ask, how=how: machine.sample(ask, **how), (DataError, SettingError), message, "sample")

    def test_divergence_stops_with_the_last_good_model_and_a_hint(self):
        if not self.diverging:
            return
        X = self.X if self.rows_that_diverge is None else self.rows_that_diverge
        machine, said = self.made(**self.diverging), ""
        try:
            machine.fit(X, **self.more(len(X), "fit"))
        except DivergenceError as error:
            said = str(error)
        else:  # an epoch had ended well
            ended = machine.history_[-1]
            assert ended.reason == "diverged"
            said = ended.advice
        assert "too high" in said and "try " in said
        if "before any epoch" in said:
            refused(lambda: machine.transform(X), NotFittedError, "not fitted", "transform")
        if hasattr(machine, "partial_fit"):
            machine.set_params(learning_rate=1e-6).partial_fit(X, **self.more(len(X), "partial_fit"))
            assert np.isfinite(machine.transform(X, **self.more(len(X), "transform"))).all()


def refused(call: Callable[[], Any], error: Any, message: str, name: str) -> None:
    """Fail unless a call raises an error that says something.

    Parameters
    ----------
    call : callable
    error : exception type, or several
    message : str
        What it must hold.
    name : str
        Of the call.
    """
    said = "nothing"
    try:
        call()
    except error as found:
        said = str(found)
    assert message in said, f"{name}: {said!r} should hold {message!r}"
