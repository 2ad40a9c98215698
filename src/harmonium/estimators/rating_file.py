"""A fitted rating estimator as plain values and arrays, as model files keep it, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.data.sketch import PairSketch
from harmonium.errors import ModelFileError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.models import level_rbm
from harmonium.models.rating_model import Blend, ItemsSide, RatingModel
from harmonium.training.fitting import MACHINES


def to_parts(machine: RatingRBM) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a fitted estimator as plain values and arrays, for a model file.

    Parameters
    ----------
    machine : RatingRBM
    """
    model: RatingModel = machine.fitted_model
    settings = {name: value for name, value in machine.get_params().items() if name != "device"}  # of this computer
    if not isinstance(settings["features"], str):
        settings["features"] = np.asarray(settings["features"]).tolist()
    if not isinstance(settings["n_steps"], int):
        settings["n_steps"] = list(settings["n_steps"])
    arrays = {
        "values": model.values,
        "n_item_ratings": model.n_item_ratings,
        "level_counts": model.level_counts,
    }
    n_machines: dict[str, int] = {}
    for name, rbm in (("users", model.users), ("items", model.items and model.items.rbm)):
        if rbm is not None:
            arrays |= {f"{name}.W": rbm.W, f"{name}.b": rbm.b, f"{name}.c": rbm.c, f"{name}.phi": rbm.phi}
            n_machines[name] = rbm.n_machines
    if model.items is not None:
        arrays |= {"items.hidden": model.items.hidden, "items.history_key": model.items.history_key}
        arrays |= {"items.prior_weight": model.items.prior_weight, "items.prior_bias": model.items.prior_bias}
    penalties = None if model.items is None else [model.items.weight_penalty, model.items.bias_penalty]
    if machine.learned_from_ is not None:
        arrays |= storage.prefixed("learned_from.", machine.learned_from_.to_arrays())
    header = {"cases": model.cases, "n_machines": n_machines, "settings": settings}
    return header | {"blends": model.blends, "penalties": penalties}, arrays


def from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> RatingRBM:
    """Return the estimator that `to_parts` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays

    Raises
    ------
    ModelFileError
        Something is missing or does not fit together.
    """
    try:
        machine = RatingRBM(**header["settings"])
        sides = {
            name: level_rbm.LevelRBM(
                *(arrays[f"{name}.{part}"] for part in ("W", "b", "c", "phi")), n_machines=header["n_machines"][name]
            )
            for name in ("users", "items")
            if f"{name}.W" in arrays
        }
        wanted = MACHINES[header["cases"]]
        if set(wanted) != set(sides):
            raise KeyError(f"it should hold the machines {', '.join(wanted)}, and holds {', '.join(sides) or 'none'}")
        items = None
        if "items" in sides:
            kept = (arrays[f"items.{part}"] for part in ("hidden", "prior_weight", "prior_bias", "history_key"))
            weight_penalty, bias_penalty = header["penalties"]
            items = ItemsSide(sides["items"], *kept, weight_penalty=weight_penalty, bias_penalty=bias_penalty)
        machine.model_ = RatingModel(
            sides.get("users"),
            items,
            {name: Blend(*map(tuple, blend)) for name, blend in header["blends"].items()},
            *(arrays[part] for part in ("values", "n_item_ratings", "level_counts")),
        )
        sketch = {
            name.removeprefix("learned_from."): a for name, a in arrays.items() if name.startswith("learned_from.")
        }
        machine.learned_from_ = PairSketch.from_arrays(sketch) if sketch else None
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"the model file is incomplete: {error}") from error
    return machine
