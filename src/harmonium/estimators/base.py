"""The estimator contract: parameters are the constructor's arguments, kept as given and checked when fitting."""

import inspect
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any, Self

from harmonium.errors import NotFittedError, SettingError
from harmonium.events import Event

Watch = Callable[[Event], Any] | Iterable[Callable[[Event], Any]]


class Estimator:
    """Abstract. `get_params`, `set_params` and a representation, so that `sklearn.base.clone` works."""

    @classmethod
    def _names(cls) -> list[str]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())
        return [p.name for p in parameters[1:] if p.kind is not p.VAR_KEYWORD]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings as given to the constructor.

        Parameters
        ----------
        deep : bool
            Part of the contract; there are no nested estimators.
        """
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change settings; takes effect at the next `fit`.

        Parameters
        ----------
        **params
            Constructor arguments by name.

        Raises
        ------
        SettingError
            There is no such setting.
        """
        for name, value in params.items():
            if name not in self._names():
                known = ", ".join(self._names()) or "none"
                raise SettingError(f"{name}: {type(self).__name__} has no such setting; there are {known}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v is not defaults[n].default]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _watched(self, run: Generator[Event, None, None], watch: Watch) -> Self:
        """Learn to the end, every event shown to the watchers; Ctrl-C ends it with the best model so far."""
        watchers = [watch] if callable(watch) else list(watch)
        try:
            for event in run:
                for watcher in watchers:
                    watcher(event)
        except KeyboardInterrupt:  # it came while a watcher was at work
            run.close()
            if not self._has_model():
                raise
        return self

    def _has_model(self) -> bool:
        """Whether learning that was interrupted has left a model."""
        return getattr(self, "model_", None) is not None

    def _fitted(self, name: str) -> Any:
        value = getattr(self, name, None)
        if value is None:
            raise _not_fitted_error()(f"this {type(self).__name__} is not fitted yet; call fit(ratings) first")
        return value


def _not_fitted_error() -> type[NotFittedError]:
    """The error of a machine that is not fitted; also scikit-learn's own where that library is in use."""
    if "sklearn" not in sys.modules:
        return NotFittedError
    from sklearn.exceptions import NotFittedError as Theirs

    return type("NotFittedError", (NotFittedError, Theirs), {})
