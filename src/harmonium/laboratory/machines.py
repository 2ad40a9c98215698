"""Restricted and general machines of a few units by the same names, with all their states.

A state is a number whose bits are the units: unit i is on where bit i is set. Joint states are rows, visible units
first. Temperature T stands for the distribution exp(-E / T) / Z.
"""

from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harmonium.models import boltzmann, boltzmann_exact, exact
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, as_generator
from harmonium.units import Bernoulli

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Machine: TypeAlias = RBM | Boltzmann


def restricted(W: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike) -> RBM:
    """A restricted machine of units 0 or 1.

    Parameters
    ----------
    W : array-like, (n_visible, n_hidden)
    b : array-like, (n_visible,)
    c : array-like, (n_hidden,)
    """
    weights, visible, hidden = (np.asarray(part, np.float64) for part in (W, b, c))
    return RBM(weights, visible, hidden, Bernoulli(len(visible)), Bernoulli(len(hidden)))


def general(J: npt.ArrayLike, b: npt.ArrayLike, n_visible: int) -> Boltzmann:
    """A machine of units 0 or 1, any two of which may be tied.

    Parameters
    ----------
    J : array-like, (n_units, n_units)
    b : array-like, (n_units,)
    n_visible : int
        They come first.
    """
    return boltzmann.machine(J, b, np.arange(n_visible))


def initial(kind: str, n_visible: int, n_hidden: int, spread: float, rng: Seed = None) -> Machine:
    """A machine with small random weights and biases of 0.

    Parameters
    ----------
    kind : {"restricted", "general"}
    n_visible, n_hidden : int
    spread : float
        Standard deviation of the weights.
    rng : seed
    """
    if kind == "restricted":
        return rbms.initial(Bernoulli(n_visible), Bernoulli(n_hidden), rng, spread=spread, dtype=np.float64)
    n = n_visible + n_hidden
    upper = np.triu(as_generator(rng).normal(0, spread, (n, n)), 1)
    return general(upper + upper.T, np.zeros(n), n_visible)


def n_units(machine: Machine) -> int:
    """Number of units, visible and hidden.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    return machine.n_visible + machine.n_hidden if isinstance(machine, RBM) else machine.n_units


@lru_cache(maxsize=32)
def states(n: int) -> Floats:
    """All states of n units: (2^n, n), row s holding the bits of s.

    Parameters
    ----------
    n : int
    """
    found = np.ascontiguousarray(boltzmann_exact.states(n)[:, ::-1])
    found.flags.writeable = False
    return found


def number(v: Floats) -> Ints:
    """Numbers of states: (n,) of (n, n_units).

    Parameters
    ----------
    v : floats, (n, n_units)
    """
    return (v @ (1 << np.arange(v.shape[1]))).astype(np.int64)


def tempered(machine: Machine, temperature: float) -> Machine:
    """The machine with all energies divided by the temperature.

    Parameters
    ----------
    machine : RBM or Boltzmann
    temperature : float
    """
    if isinstance(machine, RBM):
        return rbms.tempered(machine, 1 / temperature)
    return replace(machine, J=machine.J / temperature, b=machine.b / temperature)


def energy(machine: Machine, s: Floats) -> Floats:
    """Energy of joint states, in nats: (batch,) of (batch, n_units).

    Parameters
    ----------
    machine : RBM or Boltzmann
    s : floats, (batch, n_units)
    """
    if isinstance(machine, RBM):
        return rbms.energy(machine, s[:, : machine.n_visible], s[:, machine.n_visible :])
    return boltzmann.energy(machine, s)


def free_energy(machine: Machine, v: Floats) -> Floats:
    """Free energy of visible states, in nats: (batch,) of (batch, n_visible).

    Parameters
    ----------
    machine : RBM or Boltzmann
    v : floats, (batch, n_visible)
    """
    return rbms.free_energy(machine, v) if isinstance(machine, RBM) else boltzmann_exact.free_energy(machine, v)


def log_partition(machine: Machine) -> float:
    """log Z, over all joint states.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    return exact.log_partition(machine) if isinstance(machine, RBM) else boltzmann_exact.log_partition(machine)


def log_likelihood(machine: Machine, v: Floats) -> float:
    """Mean exact log-probability of visible states, in nats.

    Parameters
    ----------
    machine : RBM or Boltzmann
    v : floats, (n, n_visible)
    """
    of = exact.log_likelihood if isinstance(machine, RBM) else boltzmann_exact.log_likelihood
    return float(of(machine, v).mean())  # type: ignore[arg-type]


def distribution(machine: Machine) -> tuple[Floats, float]:
    """Probability of every visible state (2^n_visible,), and log Z.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    log_z = log_partition(machine)
    return np.exp(-free_energy(machine, states(machine.n_visible)) - log_z), log_z


def data_means(machine: Machine, v: Floats) -> dict[str, Floats]:
    """What visible states turn on: means of pairs and units, the hidden ones taken at their exact means.

    Parameters
    ----------
    machine : RBM or Boltzmann
    v : floats, (n, n_visible)

    Returns
    -------
    dict of floats
        "pairs", shaped as the machine's weights; "b", "c" (restricted machines).
    """
    if isinstance(machine, RBM):
        return _of_arrays(rbms.statistics(machine, v))
    return _of_moments(boltzmann_exact.clamped_moments(machine, v))


def model_means(machine: Machine) -> dict[str, Floats]:
    """The same of the machine itself, by enumeration.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    if isinstance(machine, RBM):
        return _of_arrays(exact.expectations(machine))
    return _of_moments(boltzmann_exact.moments(machine))


def fantasy_means(machine: Machine, s: Floats) -> dict[str, Floats]:
    """The same of fantasies.

    Parameters
    ----------
    machine : RBM or Boltzmann
    s : floats, (n, n_visible) or (n, n_units)
        Visible states of a restricted machine, joint states of a general one.
    """
    if isinstance(machine, RBM):
        return data_means(machine, s)
    return _of_moments(boltzmann_exact.Moments(s.mean(axis=0), s.T @ s / len(s), 0.0))


def _of_arrays(found: dict[str, Floats]) -> dict[str, Floats]:
    return {"pairs": found["W"], "b": found["b"], "c": found["c"]}


def _of_moments(found: boltzmann_exact.Moments) -> dict[str, Floats]:
    pairs = found.pair.copy()
    np.fill_diagonal(pairs, 0)
    return {"pairs": pairs, "b": found.mean}
