"""The settings of `RatingRBM` as options: the same names, and the defaults of its signature."""

import inspect
from typing import Any

import typer

from harmonium.cli.options import option
from harmonium.errors import SettingError
from harmonium.estimators.rating_rbm import RatingRBM

HELP = {
    "n_hidden": "Hidden units of each machine.",
    "n_machines": "Machines of each kind, learnt from different seeds and averaged.",
    "cases": "What a training case is: users, items, or both (machines of both kinds and their calibrated mean).",
    "features": "How levels share weights: linear, identity, ...",
    "method": "multi-prediction, cd or pcd.",
    "n_steps": "Steps of cd and pcd; 1,3,9 grows during training.",
    "sample": "Draw the fantasies of cd instead of taking mean-field ones.",
    "keep": "Share of the ratings that multi-prediction keeps as evidence.",
    "hidden_dropout": "Share of the hidden units that multi-prediction drops.",
    "n_epochs": "Passes over the ratings, at most.",
    "batch_size": "Cases in a mini-batch.",
    "optimizer": "adagrad, adam or momentum.",
    "learning_rate": "Step size of weights and hidden biases.",
    "bias_rate": "Step size of visible biases, times the learning rate.",
    "schedule": "Of the learning rate: constant, linear or cosine.",
    "weight_decay": "L2 penalty per rating of a visible unit.",
    "momentum": "Of the optimizers momentum and adam.",
    "beta2": "Of the optimizer adam.",
    "averaging": "How closely the model follows the last epochs' parameters; 0 takes the last ones alone.",
    "patience": "Epochs without improvement before stopping; 0 never stops early.",
    "validation_fraction": "Share of the ratings that chooses the epoch and calibrates; 0 does neither.",
    "refit": "Learn again from all ratings for the chosen number of epochs.",
    "fold_in_penalty": "Regularisation of a new person in the items machine: weights, per rating.",
    "fold_in_bias_penalty": "The same of the biases.",
    "random_state": "The same seed gives the same model.",
    "device": "What learning runs on: cpu, cuda, cuda:1, ..., or auto, a GPU where there is one.",
}
PANEL = "Settings of learning"


def setting_options(**defaults: Any) -> list[inspect.Parameter]:
    """One option a setting, for `taking`.

    Parameters
    ----------
    **defaults
        Where a command's default differs from the estimator's.
    """
    options = []
    for name, parameter in list(inspect.signature(RatingRBM).parameters.items()):
        default = defaults.get(name, parameter.default)
        if name == "n_steps":
            default = str(default)
        options.append(option(name, type(default), default, typer.Option(rich_help_panel=PANEL, help=HELP[name])))
    return options


def defaults(**changed: Any) -> dict[str, Any]:
    """The values of `setting_options` where none is given.

    Parameters
    ----------
    **changed
        As for `setting_options`.
    """
    return {parameter.name: parameter.default for parameter in setting_options(**changed)}


def machine(settings: dict[str, Any]) -> RatingRBM:
    """The estimator with these settings.

    Parameters
    ----------
    settings : dict
        From `setting_options`.
    """
    return RatingRBM(**{**settings, "n_steps": _steps(settings["n_steps"])})


def _steps(text: str) -> int | list[int]:
    try:
        steps = [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingError(f"n_steps: {text!r} is neither a whole number nor several with commas, as 1,3,9") from None
    return steps[0] if len(steps) == 1 else steps
