"""Softmax units over the levels of a rating: A(x) = log sum_k e^{x_k}, one of n_levels states.

`level_features` gives the features phi that let levels share weights: a unit's field at level k is
b_k + sum_f phi[k, f] W[f] . h. The constant feature cancels in the softmax, so its weights only feed the hidden
field: they are the conditional term of Salakhutdinov, Mnih & Hinton (ICML 2007), section 2.3.
"""

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError

Floats = npt.NDArray[np.floating]
FEATURES = ("linear", "value", "quadratic", "identity", "conditional-identity")


def log_partition(x: Floats) -> Floats:
    """A(x) = log sum_k e^{x_k} over the last axis, without overflow.

    Parameters
    ----------
    x : floats, (..., n_levels)
        Fields of the levels.

    Returns
    -------
    floats, (...)
    """
    top = x.max(axis=-1)
    return top + np.log(np.exp(x - top[..., None]).sum(axis=-1))


def mean(x: Floats) -> Floats:
    """Probability of each level: the softmax of the last axis.

    Parameters
    ----------
    x : floats, (..., n_levels)
        Fields of the levels.
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sample(x: Floats, u: Floats) -> npt.NDArray[np.uint8]:
    """Draw levels from uniforms: the first level whose cumulative probability exceeds u.

    Parameters
    ----------
    x : floats, (..., n_levels)
        Fields of the levels.
    u : floats, (...)
        Uniforms in [0, 1).
    """
    below = np.cumsum(mean(x), axis=-1)[..., :-1]
    return (u[..., None] >= below).sum(axis=-1).astype(np.uint8)


def level_features(features: str | npt.ArrayLike, x: Floats) -> npt.NDArray[np.float32]:
    """Features phi (n_levels, n_features) by which levels share weights.

    Parameters
    ----------
    features : str or array-like, (n_levels, n_features)
        "linear" is (1, x), "value" (x), "quadratic" (1, x, x^2 centred), "identity" one feature a level (Salakhutdinov,
        Mnih & Hinton 2007), "conditional-identity" the same after a constant; or the features themselves.
    x : floats, (n_levels,)
        Level values mapped to [-1, 1].

    Raises
    ------
    SettingError
        An unknown name, or an array of another height or with non-finite entries.
    """
    one, eye = np.ones_like(x), np.eye(len(x))
    known = {
        "linear": (one, x),
        "value": (x,),
        "quadratic": (one, x, x * x - (x * x).mean()),
        "identity": tuple(eye),
        "conditional-identity": (one, *eye),
    }
    if isinstance(features, str):
        if features not in known:
            raise SettingError(f"features: {features!r} is not one of {', '.join(FEATURES)}, nor an array")
        return np.stack(known[features], axis=1).astype(np.float32)
    phi = np.asarray(features, dtype=np.float32)
    if phi.ndim != 2 or len(phi) != len(x) or not phi.shape[1] or not np.isfinite(phi).all():
        raise SettingError(
            f"features: an array must be finite, of shape (n_levels, n_features) = ({len(x)}, any); got {phi.shape}"
        )
    return phi
