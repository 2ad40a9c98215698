"""The model in words and numbers: settings, training curves, evaluation."""

from typing import Any

from harmonium._version import __version__
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.serving import choosing, finding
from harmonium.serving.problems import ProblemError
from harmonium.serving.slot import Loaded


def model(loaded: Loaded) -> dict[str, Any]:
    """What the model is.

    Parameters
    ----------
    loaded : Loaded
    """
    recommender = loaded.recommender
    if isinstance(recommender, ChoiceRecommender):
        return choosing.model(loaded)
    fitted, scale = recommender.machine.fitted_model, recommender.scale
    machines = [rbm for rbm in (fitted.users, fitted.items and fitted.items.rbm) if rbm is not None]
    settings = {name: finding.plain(value) for name, value in recommender.machine.get_params().items()}
    return {
        "kind": "ratings",
        "name": loaded.name,
        "fingerprint": loaded.fingerprint,
        "loaded_at": loaded.loaded_at,
        "library": __version__,
        "cases": fitted.cases,
        "n_items": len(recommender.items),
        "n_hidden": machines[0].n_hidden,
        "n_units": recommender.n_units,
        "n_parameters": sum(array.size for rbm in machines for array in (rbm.W, rbm.b, rbm.c)),
        "n_training_ratings": int(fitted.level_counts.sum()),
        "scale": {"levels": scale.levels, "names": scale.names, "description": scale.describe()},
        "like": recommender.like,
        "has_choices": recommender.choices is not None,
        "has_titles": recommender.titles is not None,
        "has_record": bool(recommender.record),
        "genres": finding.genres(recommender)["genres"],
        "settings": settings,
        "terms": (recommender.record or {}).get("terms", ""),
    }


def training(loaded: Loaded) -> dict[str, Any]:
    """Events of the training run.

    Parameters
    ----------
    loaded : Loaded
    """
    return {"events": recorded(loaded, "events"), "seconds": (loaded.recommender.record or {}).get("seconds")}


def recorded(loaded: Loaded, name: str) -> Any:
    """Part of the record in the model file.

    Parameters
    ----------
    loaded : Loaded
    name : str

    Raises
    ------
    ProblemError
        The file has no such record.
    """
    found = (loaded.recommender.record or {}).get(name)
    if found is None:
        detail = f"the model file {loaded.name!r} holds no {name.replace('_', ' ')}"
        fix = "train it with harmonium train --hold-out 0.1, which records it in the file"
        raise ProblemError(404, "not-recorded", detail, "model", fix)
    return found
