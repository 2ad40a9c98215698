"""Settings chosen by trial on validation users, with Optuna: pruned, and to be gone on with later."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from harmonium.errors import DivergenceError, SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.evaluation.choice_models import made
from harmonium.evaluation.choice_protocols import ChoiceTask
from harmonium.evaluation.choices import cutoff_of, evaluate_lists
from harmonium.events import ChoiceEpochEnded
from harmonium.training.choice_fitting import fingerprint
from harmonium.training.settings import check_count

# name, lowest, highest, on a logarithmic scale; whole numbers where the bounds are
_CLOSED = (("ridge", 0.1, 5000.0, True), ("dropout", 0.0, 0.8, False))
_LEARNED = (
    ("n_hidden", 100, 800, True),
    ("learning_rate", 5e-4, 1e-2, True),
    ("keep", 0.3, 0.8, False),
    ("hidden_dropout", 0.0, 0.7, False),
)
_DEGREES = (("user_degree", 0.0, 1.0, False), ("item_degree", 0.0, 0.7, False), ("output_degree", -0.4, 0.4, False))
SPACES = {
    "item-knn": (("n_neighbours", 20, 500, True), ("shrinkage", 0.1, 100.0, True)),
    "gaussian": (_CLOSED[0],),
    "gaussian-dropout": _CLOSED,
    "gaussian-degree": (("ridge", 0.05, 20.0, True), _CLOSED[1], *_DEGREES),
    "multinomial": _LEARNED,
    "semi-restricted": (("ridge", 20.0, 1000.0, True), _CLOSED[1], *_LEARNED),
}


@final
@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    Parameters
    ----------
    model : str
    metric : str
    settings : dict
        Of the best trial.
    value : float
        The metric of the best trial, on validation users.
    n_trials, n_pruned : int
        In all, those of earlier runs included.
    interrupted : bool
        Whether Ctrl-C ended it before the trials asked for were made.
    """

    model: str
    metric: str
    settings: dict[str, Any]
    value: float
    n_trials: int
    n_pruned: int
    interrupted: bool = False


def tune(
    name: str,
    task: ChoiceTask,
    n_trials: int = 30,
    *,
    metric: str = "ndcg@100",
    study: str | os.PathLike[str] | None = None,
    seed: int = 0,
    fixed: dict[str, Any] | None = None,
    look: Callable[[int, dict[str, Any], float | None], Any] | None = None,
) -> Tuned:
    """Choose settings of a model on the validation part of a protocol; the test part is never looked at.

    Parameters
    ----------
    name : str
        Of `SPACES`.
    task : ChoiceTask
    n_trials : int
        In all: what an earlier run of the same study did counts.
    metric : str
        Such as "ndcg@100".
    study : path, optional
        A file that keeps the trials; an existing one is gone on with.
    seed : int
    fixed : dict, optional
        Settings that are not tried.
    look : callable, optional
        Called with number, settings and value of each trial, None where it was pruned.

    Returns
    -------
    Tuned

    Raises
    ------
    SettingError
        Optuna is not installed, there is nothing to tune by that name, no such metric or setting, or the study is of
        other choices.
    KeyboardInterrupt
        It came before any trial was complete.
    """
    optuna = _optuna()
    if name not in SPACES:
        raise SettingError(f"model: {name!r} cannot be tuned; {', '.join(SPACES)} can")
    check_count("n_trials", n_trials, 1, 1_000_000)
    cutoff_of(metric)
    fixed = fixed or {}
    made(name, fixed)
    found = _study(optuna, f"{name} {metric}", study, seed, _task_key(task, fixed))

    def value(trial: Any) -> float:
        tried = {
            setting: _suggested(trial, setting, *space) for setting, *space in SPACES[name] if setting not in fixed
        }
        return _trial(made(name, tried | fixed), task, metric, trial, optuna)

    complete, pruned = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED
    states, interrupted = [trial.state for trial in found.trials], False
    states = [one for one in states if one in (complete, pruned)]  # an interrupted trial is no trial
    try:
        while len(states) < n_trials:
            found.optimize(value, n_trials=1)
            last = found.trials[-1]
            states.append(last.state)
            if look is not None:
                look(last.number, last.params, last.value if last.state == complete else None)
    except KeyboardInterrupt:
        interrupted = True
        if complete not in states:
            raise
    if complete not in states:
        raise SettingError(f"none of {len(states)} trials of {name} came to an end: its learning diverges")
    best = {**found.best_params, **fixed}
    return Tuned(name, metric, best, found.best_value, len(states), states.count(pruned), interrupted)


def _study(optuna: Any, name: str, path: str | os.PathLike[str] | None, seed: int, key: str) -> Any:
    """The study of a name in a file, or a new one; only of the same choices and fixed settings."""
    how = {
        "sampler": optuna.samplers.TPESampler(seed=seed),
        "pruner": optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10),
    }
    try:
        storage = None if path is None else f"sqlite:///{os.fspath(path)}"
        found = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True, **how)
    except Exception as error:  # of SQLite, behind two libraries
        raise SettingError(f"study: {path} cannot be used as a file of trials ({type(error).__name__})") from error
    if found.user_attrs.get("task", key) != key:
        raise SettingError(
            f"study: {path} holds trials on other choices or with other fixed settings; name another file"
        )
    found.set_user_attr("task", key)
    return found


def _task_key(task: ChoiceTask, fixed: dict[str, Any]) -> str:
    """What tells trials on other choices, or with other settings that are not tried."""
    parts = (task.tuning_train, task.validation.history, task.validation.held_out)
    arrays = [array for part in parts for array in (part.indptr, part.item, part.weight)]
    return f"{task.tuning_train.items.fingerprint} {fingerprint(*arrays)} {sorted(fixed.items())}"


def _suggested(trial: Any, name: str, low: Any, high: Any, logarithmic: bool) -> Any:
    suggest = trial.suggest_int if isinstance(low, int) else trial.suggest_float
    return suggest(name, low, high, log=logarithmic)


def _trial(model: ChoiceModel, task: ChoiceTask, metric: str, trial: Any, optuna: Any) -> float:
    asked = task.validation
    try:
        for event in model.fitting(task.tuning_train, (asked.history, asked.held_out)):
            if isinstance(event, ChoiceEpochEnded) and event.validation_ndcg is not None:
                trial.report(event.validation_ndcg, event.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
    except DivergenceError:
        raise optuna.TrialPruned from None
    if model.interrupted:
        raise KeyboardInterrupt  # what is half learned says nothing about the settings
    return evaluate_lists(model, asked.history, asked.held_out, (cutoff_of(metric),))[metric]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise SettingError("tuning needs Optuna: pip install 'harmonium[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that Ctrl-C ends is a warning with a traceback
    return optuna
