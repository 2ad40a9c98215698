"""Models of choices by name, with the settings they are compared at."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from harmonium.data import Interactions
from harmonium.errors import HarmoniumError, SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.histories import Validation
from harmonium.estimators.multinomial_rbm import MultinomialRBM, SemiRestricted
from harmonium.evaluation.choice_baselines import ItemNeighbours, PopularItems
from harmonium.evaluation.choice_protocols import ChoiceTask
from harmonium.evaluation.choices import ListComparison, ListEvaluation, evaluate_lists
from harmonium.events import Event
from harmonium.training.memory import PeakMemory

MODELS: dict[str, Callable[[], ChoiceModel]] = {
    "popular": PopularItems,
    "item-knn": ItemNeighbours,
    "gaussian": GaussianBoltzmann,
    "gaussian-dropout": lambda: GaussianBoltzmann(ridge=200.0, dropout=0.5),
    "gaussian-degree": lambda: GaussianBoltzmann(ridge=1.0, user_degree=0.5, item_degree=0.5),
    "multinomial": MultinomialRBM,
    "semi-restricted": SemiRestricted,
}
Look = Callable[[str, Event], Any]


def made(name: str, settings: Mapping[str, Any] | None = None) -> ChoiceModel:
    """A model by name.

    Parameters
    ----------
    name : str
        Of `MODELS`.
    settings : mapping, optional
        That differ from those of the name.

    Raises
    ------
    SettingError
        There is no such model or setting.
    """
    if name not in MODELS:
        raise SettingError(f"model: {name!r} is not one of {', '.join(MODELS)}")
    return MODELS[name]().set_params(**(settings or {}))


def measure(
    name: str, model: ChoiceModel, task: ChoiceTask, look: Look | None = None
) -> tuple[ListEvaluation, dict[str, float | None]]:
    """Learn on a protocol's training part and measure its test lists.

    Parameters
    ----------
    name : str
        For `look`.
    model : ChoiceModel
    task : ChoiceTask
    look : callable, optional
        Called with the name and every event.

    Returns
    -------
    ListEvaluation
    dict of float or None
        seconds_learning; and peak_gb, by how many GB of 10^9 bytes the process grew at most while the model learned,
        see `PeakMemory`. Code that learning needs is loaded and compiled before.

    Notes
    -----
    Where the users of validation are not learned from, a machine that learns in epochs keeps the best one on them.
    """
    own = task.tuning_train is task.train
    validation: Validation | None = (task.validation.history, task.validation.held_out) if own else None
    watch = () if look is None else (lambda event: look(name, event),)
    _warm_up(model, task.train, validation is not None)
    began = time.perf_counter()
    with PeakMemory() as peak:
        model.fit(task.train, validation=validation, watch=watch)
    if model.interrupted:
        raise KeyboardInterrupt  # what is half learned is not to be compared
    costs = {
        "seconds_learning": time.perf_counter() - began,
        "peak_gb": None if peak.n_bytes is None else peak.n_bytes / 1e9,
    }
    found = evaluate_lists(model, task.test.history, task.test.held_out, task.cutoffs, task.train)
    return found, costs


def _warm_up(model: ChoiceModel, train: Interactions, validated: bool) -> None:
    """Load and compile the code that a model learns by, on a few made choices: it is no part of what learning costs."""
    n_users, n_items = (24, 12) if train.n_users >= train.n_items else (12, 24)
    user = np.repeat(np.arange(n_users), 4)
    few = Interactions.from_pairs([*user, 0], [*(user + np.arange(len(user)) * 5) % n_items, n_items - 1])
    again = type(model)().set_params(**model.get_params())
    again.set_params(**{name: 1 for name in ("n_epochs",) if name in model.get_params()})
    with suppress(HarmoniumError):  # where so few are too few; what else is wrong is said of the real ones
        again.fit(few, validation=(few, few) if validated else None)
    if again.interrupted:
        raise KeyboardInterrupt


def compare(models: Mapping[str, ChoiceModel] | Sequence[str], task: ChoiceTask, look: Look | None = None) -> Any:
    """Learn and measure several models on one protocol.

    Parameters
    ----------
    models : mapping of models by name, or sequence of names
        The others are compared with the first.
    task : ChoiceTask
    look : callable, optional
        Called with the name and every event.

    Returns
    -------
    ListComparison
        After Ctrl-C, of the models that were measured by then.

    Raises
    ------
    KeyboardInterrupt
        It came before any model was measured.
    """
    named = models if isinstance(models, Mapping) else {name: made(name) for name in models}
    evaluations, costs = {}, {}
    try:
        for name, model in named.items():
            evaluations[name], costs[name] = measure(name, model, task, look)
    except KeyboardInterrupt:
        if not evaluations:
            raise
    return ListComparison(evaluations, costs, tuple(name for name in named if name not in evaluations))
