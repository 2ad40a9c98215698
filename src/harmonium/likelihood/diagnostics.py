"""Where learning stands, cheaply: pseudo-likelihood, reconstruction, free energies of data against noise."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.likelihood.paths import Floats
from harmonium.models import boltzmann, boltzmann_exact, conditional, exact, lateral
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral
from harmonium.models.mean_field import mean_field
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, as_generator
from harmonium.units import Bernoulli, Joined, Layer, Softmax, Spin

Model: TypeAlias = RBM | Lateral | Conditional | Boltzmann
BLOCK = 1 << 22  # fields held in memory at a time
MOST_LISTED = 10  # hidden units tied to each other that free energies still sum out exactly
NEAR, MOST_SWEEPS = 1e-4, 50  # of mean field beyond: eyes need no more


def pseudo_log_likelihood(model: Model, v: Floats) -> npt.NDArray[np.float64]:
    """Sum over visible units of the log probability of each given all others: exact, and needs no log Z.

    Parameters
    ----------
    model : RBM, Lateral, Conditional or Boltzmann
        Visible units with few values each: Bernoulli, spins, softmax; a Boltzmann machine without hidden units.
    v : floats, (batch, n_visible)
        Of a conditional machine the conditions stand behind.

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
    rbm, v = exact.in_float64(restricted(model)), np.asarray(v, np.float64)
    if not isinstance(rbm.visible, Bernoulli | Spin | Softmax):
        kind = rbm.visible.kind
        raise SettingError(f"pseudo-likelihood: {kind} units have too many values; bits, spins and softmax units work")
    v, u = v[:, : rbm.n_visible], v[:, rbm.n_visible :]
    b, c = np.broadcast_to(rbm.b, v.shape), np.broadcast_to(rbm.c, (len(v), rbm.n_hidden))
    if isinstance(model, Lateral):
        b = b + v @ model.L
    if isinstance(model, Conditional):
        b, c = b + u @ model.A, c + u @ model.B
    step = max(1, BLOCK // rbm.n_hidden)
    parts = (slice(k, k + step) for k in range(0, len(v), step))
    return np.concatenate([_pair_pseudo(rbm, v[part], b[part], c[part]) for part in parts])


def _pair_pseudo(rbm: RBM, v: Floats, b: Floats, c: Floats) -> npt.NDArray[np.float64]:
    """Of rows with biases of their own; ties among the visible units are part of b, as no unit is tied to itself."""
    x, own, A = c + v @ rbm.W, (v * b).sum(axis=1), rbm.hidden.log_partition
    here, total = own + A(x), np.zeros(len(v))
    width = rbm.visible.n_states if isinstance(rbm.visible, Softmax) else 1
    for first in range(0, rbm.n_visible, width):
        columns = slice(first, first + width)
        others = [here]  # of the unit's values, that of the data first
        for change in _changes(rbm, v[:, columns]):
            others.append(own + (change * b[:, columns]).sum(axis=1) + A(x + change @ rbm.W[columns]))
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


def reconstruction_error(model: RBM | Conditional, v: Floats) -> float:
    """Mean squared difference between visible rows and their mean-field reconstruction.

    Parameters
    ----------
    model : RBM or Conditional
    v : floats, (batch, n_visible)
        Of a conditional machine the conditions stand behind.

    Returns
    -------
    float
        A column. It says little of the likelihood: it falls even where learning goes astray (Hinton 2010, section 5).
    """
    v, u = split(model, v)
    if isinstance(model, Conditional):
        h = model.rbm.hidden.mean(conditional.hidden_field(model, v, u))
        back = model.rbm.visible.mean(conditional.visible_field(model, h, u))
    else:
        back = rbms.visible_mean(model, rbms.hidden_mean(model, v), model.visible.total(v))
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


def restricted(model: RBM | Lateral | Conditional) -> RBM:
    """The restricted machine that a model is without ties or conditions.

    Parameters
    ----------
    model : RBM, Lateral or Conditional
    """
    return model if isinstance(model, RBM) else model.rbm


def split(model: Model, v: Floats) -> tuple[Floats, Floats]:
    """Visible states of rows, and what stands behind them: the conditions of a conditional machine.

    Parameters
    ----------
    model : RBM, Lateral, Conditional or Boltzmann
    v : floats, (batch, n_visible + n_conditions)
    """
    n = model.rbm.n_visible if isinstance(model, Conditional) else np.shape(v)[1]
    return v[:, :n], v[:, n:]


def free_energy(model: Model, v: Floats) -> Floats:
    """Free energy of visible rows, (batch,), in nats; an upper bound where many hidden units are tied to each other.

    Parameters
    ----------
    model : RBM, Lateral, Conditional or Boltzmann
    v : floats, (batch, n_visible)
        Of a conditional machine the conditions stand behind.
    """
    if isinstance(model, RBM):
        return rbms.free_energy(model, v)
    if isinstance(model, Lateral):
        return lateral.free_energy(model, v)
    if isinstance(model, Conditional):
        return conditional.free_energy(model, *split(model, v))
    if len(model.hidden) <= MOST_LISTED or boltzmann_exact.independent(model):
        return boltzmann_exact.free_energy(model, v)
    return -mean_field(model, v, "naive", tolerance=NEAR, most_sweeps=MOST_SWEEPS).log_z


def free_energies(
    model: Model,
    train: Floats,
    validation: Floats | None = None,
    fantasies: Floats | None = None,
    rng: Seed = None,
) -> FreeEnergies:
    """Compare the free energies of training, validation, fantasies and noise.

    Parameters
    ----------
    model : RBM, Lateral, Conditional or Boltzmann
    train : floats, (n, n_visible)
        Some training rows: a few hundred are enough. Of a conditional machine the conditions stand behind.
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


def noise_like(model: Model, v: Floats, rng: Seed = None) -> Floats:
    """Rows with the frequencies of given ones and no structure: each unit's values are shuffled between the rows.

    Parameters
    ----------
    model : RBM, Lateral, Conditional or Boltzmann
    v : floats, (n, n_visible)
        Of a conditional machine the conditions stand behind; they stay.
    rng : seed
    """
    own, u = split(model, np.asarray(v))
    layer, rng = None if isinstance(model, Boltzmann) else restricted(model).visible, as_generator(rng)
    pieces = layer.pieces(own) if isinstance(layer, Joined) else [(layer, own)]
    return np.hstack([*(_shuffled(part, columns, rng) for part, columns in pieces), u])


def _shuffled(layer: Layer | None, v: Floats, rng: np.random.Generator) -> Floats:
    width = layer.n_states if isinstance(layer, Softmax) else 1
    units = v.reshape(len(v), -1, width)
    rows = rng.permuted(np.tile(np.arange(len(units))[:, None], (1, units.shape[1])), axis=0)
    return units[rows, np.arange(units.shape[1])].reshape(len(units), -1)
