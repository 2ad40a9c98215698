"""Models of choices by name, with the settings they are compared at."""

import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harmonium.errors import SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.histories import Validation
from harmonium.estimators.multinomial_rbm import MultinomialRBM, SemiRestricted
from harmonium.evaluation.choice_baselines import ItemNeighbours, PopularItems
from harmonium.evaluation.choice_protocols import ChoiceTask
from harmonium.evaluation.choices import ListComparison, ListEvaluation, evaluate_lists
from harmonium.events import Event

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
) -> tuple[ListEvaluation, dict[str, float]]:
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
    dict of float
        seconds_learning, and peak_gb, the most memory learning held besides the data.

    Notes
    -----
    Where the users of validation are not learned from, a machine that learns in epochs keeps the best one on them.
    """
    own = task.tuning_train is task.train
    validation: Validation | None = (task.validation.history, task.validation.held_out) if own else None
    watch = () if look is None else (lambda event: look(name, event),)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        model.fit(task.train, validation=validation, watch=watch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if model.interrupted:
        raise KeyboardInterrupt  # what is half learned is not to be compared
    costs = {"seconds_learning": time.perf_counter() - began, "peak_gb": peak / 1e9}
    found = evaluate_lists(model, task.test.history, task.test.held_out, task.cutoffs, task.train)
    return found, costs


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
    """
    named = models if isinstance(models, Mapping) else {name: made(name) for name in models}
    found = {name: measure(name, model, task, look) for name, model in named.items()}
    evaluations = {name: one for name, (one, _) in found.items()}
    return ListComparison(evaluations, {name: costs for name, (_, costs) in found.items()})
