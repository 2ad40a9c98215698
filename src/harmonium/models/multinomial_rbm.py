"""The replicated-softmax machine: a person's n choices are n draws from one softmax, tied together by hidden units.

Optional lateral couplings among the visible units make it semi-restricted.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.kernels import choices as kernels
from harmonium.kernels.choices import Sparse
from harmonium.units import bernoulli

Floats = npt.NDArray[np.floating]


@final
@dataclass(frozen=True, eq=False)
class MultinomialMachine:
    """Weights and biases.

    E(v, h) = -b.v - c.h - v W h, v the counts of n choices; given h they are n draws from softmax(b + W h), given v
    the units are on with probability sigmoid(c + v W). (Salakhutdinov & Hinton, NIPS 2009, with hidden biases that do
    not grow with n.)

    Parameters
    ----------
    W : float32 array, (n_items, n_hidden)
    b : float32 array, (n_items,)
    c : float32 array, (n_hidden,)
    """

    W: npt.NDArray[np.float32]
    b: npt.NDArray[np.float32]
    c: npt.NDArray[np.float32]

    def hidden(self, x: Sparse) -> npt.NDArray[np.float32]:
        """Means of the hidden units: (n_rows, n_hidden).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        """
        return bernoulli.mean(kernels.sum_rows(x, self.W) + self.c).astype(np.float32)

    def fields(self, x: Sparse) -> npt.NDArray[np.float32]:
        """Fields of the items after one mean-field pass, b + W h(x): (n_rows, n_items).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        """
        found = self.hidden(x) @ self.W.T
        found += self.b
        return found


def energy(machine: MultinomialMachine, v: Floats, h: Floats) -> Floats:
    """Energy of joint states: -b.v - c.h - v W h, in nats.

    Parameters
    ----------
    machine : MultinomialMachine
    v : floats, (batch, n_items)
        Counts.
    h : floats, (batch, n_hidden)

    Returns
    -------
    floats, (batch,)
    """
    return -(v @ machine.b) - h @ machine.c - np.einsum("ui,ij,uj->u", v, machine.W, h)


def free_energy(machine: MultinomialMachine, v: Floats) -> Floats:
    """Free energy of counts, in nats: the hidden units summed out.

    Parameters
    ----------
    machine : MultinomialMachine
    v : floats, (batch, n_items)

    Returns
    -------
    floats, (batch,)

    Notes
    -----
    F(v) = -b.v - sum_j log(1 + exp(c_j + v W_j)), for one sequence of choices; a vector of counts stands for
    n! / prod v_i! of them. Differences mean something among cases of equal n.
    """
    return -(v @ machine.b) - bernoulli.log_partition(machine.c + v @ machine.W).sum(axis=-1)
