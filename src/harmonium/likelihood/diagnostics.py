"""Where learning stands, cheaply: pseudo-likelihood, reconstruction, free energies of data against noise."""

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.likelihood.paths import Floats
from harmonium.models import boltzmann, boltzmann_exact, exact
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.mean_field import mean_field
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, as_generator
from harmonium.units import Bernoulli, Softmax, Spin

BLOCK = 1 << 22  # fields held in memory at a time
MOST_LISTED = 10  # hidden units tied to each other that free energies still sum out exactly
NEAR, MOST_SWEEPS = 1e-4, 50  # of mean field beyond: eyes need no more


def pseudo_log_likelihood(model: RBM | Boltzmann, v: Floats) -> npt.NDArray[np.float64]:
    """Sum over visible units of the log probability of each given all others: exact, and needs no log Z.

    Parameters
    ----------
    model : RBM or Boltzmann
        Visible units with few values each: Bernoulli, spins, softmax; a Boltzmann machine without hidden units.
    v : floats, (batch, n_visible)

    Returns
    -------
    float64 array, (batch,)
        In nats.

    Raises
    ------
    SettingError
        The visible units' conditionals cannot be listed.

    Notes
    -----
    Besag, The Statistician 24 (1975). An RBM costs n_visible times a free energy, without the matrix product.
    """
    if isinstance(model, Boltzmann):
        if len(model.hidden):
            raise SettingError(f"pseudo-likelihood: there are {len(model.hidden)} hidden units; there must be none")
        s = np.empty((len(v), model.n_units))
        s[:, model.visible] = v
        x = boltzmann.fields(model, s)
        return (x * s - boltzmann.unit_log_partition(model, x)).sum(axis=1)
    rbm, v = exact.in_float64(model), np.asarray(v, np.float64)
    if not isinstance(rbm.visible, Bernoulli | Spin | Softmax):
        kind = rbm.visible.kind
        raise SettingError(f"pseudo-likelihood: {kind} units have too many values; bits, spins and softmax units work")
    step = max(1, BLOCK // rbm.n_hidden)
    return np.concatenate([_pair_pseudo(rbm, v[k : k + step]) for k in range(0, len(v), step)])


def _pair_pseudo(rbm: RBM, v: Floats) -> npt.NDArray[np.float64]:
    x, own, A = rbms.hidden_field(rbm, v), v @ rbm.b, rbm.hidden.log_partition
    here, total = own + A(x), np.zeros(len(v))
    width = rbm.visible.n_states if isinstance(rbm.visible, Softmax) else 1
    for first in range(0, rbm.n_visible, width):
        columns = slice(first, first + width)
        others = [here]  # of the unit's values, that of the data first
        for change in _changes(rbm, v[:, columns]):
            others.append(own + change @ rbm.b[columns] + A(x + change @ rbm.W[columns]))
        total += here - np.logaddexp.reduce(others, axis=0)
    return total


def _changes(rbm: RBM, v: Floats) -> list[Floats]:
    """What a unit's columns change by to take each of its other values, (batch, columns)."""
    if isinstance(rbm.visible, Spin):
        return [-2 * v]
    if isinstance(rbm.visible, Bernoulli):
        return [1 - 2 * v]
    n = rbm.visible.settings()["n_states"]
    level = v.argmax(axis=1)
    return [np.eye(n)[(level + k) % n] - v for k in range(1, n)]


def reconstruction_error(rbm: RBM, v: Floats) -> float:
    """Mean squared difference between visible rows and their mean-field reconstruction.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)

    Returns
    -------
    float
        A column. It says little of the likelihood: it falls even where learning goes astray (Hinton 2010, section 5).
    """
    back = rbms.visible_mean(rbm, rbms.hidden_mean(rbm, v), rbm.visible.total(v))
    return float(np.mean((np.asarray(v) - back) ** 2, dtype=np.float64))


@final
@dataclass(frozen=True)
class FreeEnergies:
    """Mean free energies, in nats a row; lower is more probable, only differences mean something.

    Parameters
    ----------
    train : float
    validation : float or None
    fantasies : float or None
        Of the model's own chains.
    noise : float
        Of training rows whose columns were shuffled one by one: right frequencies, no structure.
    """

    train: float
    validation: float | None
    fantasies: float | None
    noise: float

    @property
    def above_noise(self) -> float:
        """How much lower training rows lie than noise; above 0 once something but the frequencies was learnt."""
        return self.noise - self.train

    @property
    def overfit(self) -> float | None:
        """How much higher validation rows lie than training rows; it grows when learning begins to overfit."""
        return None if self.validation is None else self.validation - self.train

    @property
    def astray(self) -> float | None:
        """How much lower fantasies lie than training rows; far above 0, the model prefers what is not data."""
        return None if self.fantasies is None else self.train - self.fantasies

    def to_dict(self) -> dict[str, Any]:
        """Return the means and the differences as plain values."""
        return asdict(self) | {"above_noise": self.above_noise, "overfit": self.overfit, "astray": self.astray}


def free_energy(model: RBM | Boltzmann, v: Floats) -> Floats:
    """Free energy of visible rows, (batch,), in nats; an upper bound where many hidden units are tied to each other.

    Parameters
    ----------
    model : RBM or Boltzmann
    v : floats, (batch, n_visible)
    """
    if isinstance(model, RBM):
        return rbms.free_energy(model, v)
    if len(model.hidden) <= MOST_LISTED or boltzmann_exact.independent(model):
        return boltzmann_exact.free_energy(model, v)
    return -mean_field(model, v, "naive", tolerance=NEAR, most_sweeps=MOST_SWEEPS).log_z


def free_energies(
    model: RBM | Boltzmann,
    train: Floats,
    validation: Floats | None = None,
    fantasies: Floats | None = None,
    rng: Seed = None,
) -> FreeEnergies:
    """Compare the free energies of training, validation, fantasies and noise.

    Parameters
    ----------
    model : RBM or Boltzmann
    train : floats, (n, n_visible)
        Some training rows: a few hundred are enough.
    validation, fantasies : floats, (n, n_visible), optional
    rng : seed
        Of the noise.

    Returns
    -------
    FreeEnergies
    """

    def mean(v: Floats | None) -> float | None:
        return None if v is None or not len(v) else float(np.mean(free_energy(model, v), dtype=np.float64))

    found = mean(train), mean(validation), mean(fantasies), mean(noise_like(model, train, rng))
    return FreeEnergies(*found)  # type: ignore[arg-type]


def noise_like(model: RBM | Boltzmann, v: Floats, rng: Seed = None) -> Floats:
    """Rows with the frequencies of given ones and no structure: each unit's values are shuffled between the rows.

    Parameters
    ----------
    model : RBM or Boltzmann
    v : floats, (n, n_visible)
    rng : seed
    """
    layer = model.visible if isinstance(model, RBM) else None
    width = layer.n_states if isinstance(layer, Softmax) else 1
    units = np.asarray(v).reshape(len(v), -1, width)
    rows = as_generator(rng).permuted(np.tile(np.arange(len(units))[:, None], (1, units.shape[1])), axis=0)
    return units[rows, np.arange(units.shape[1])].reshape(len(units), -1)
