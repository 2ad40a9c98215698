"""Which machines of other kinds have the same law: special cases reduce to each other."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.models import boltzmann, conditional, lateral
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral
from harmonium.models.rbm import RBM
from harmonium.testing.listed import Coupled, Given, Listed, Restricted, Tied

Floats = npt.NDArray[np.floating]


class Twin(NamedTuple):
    """The same law of the visible units by another machine.

    Parameters
    ----------
    machine : Listed
    of : callable
        From visible states of the one to those of the other.
    """

    machine: Listed
    of: Callable[[Floats], Floats] = np.asarray


def twins(machine: Listed) -> list[Twin]:
    """Return machines of other kinds with the law of this one.

    Parameters
    ----------
    machine : Listed
    """
    if isinstance(machine, Restricted):
        return _of_restricted(machine.model)
    if isinstance(machine, Given):
        return [Twin(Restricted(conditional.given(machine.model, machine.u)))]
    if isinstance(machine, Tied):
        rbm = machine.model.rbm
        return [Twin(Coupled(lateral.as_boltzmann(machine.model)))] if rbm.hidden.kind == rbm.visible.kind else []
    if isinstance(machine, Coupled):
        bm = machine.model
        if bm.values == "bits":
            return [Twin(Coupled(boltzmann.as_spins(bm)[0]), lambda v: 2 * v - 1)]
        return [Twin(Coupled(boltzmann.as_bits(bm)[0]), lambda v: (v + 1) / 2)]
    return []


def _of_restricted(rbm: RBM) -> list[Twin]:
    """Semi-restricted without ties, conditional without pull, a Boltzmann machine with ties between layers only."""
    found, kind = [], rbm.visible.kind
    if kind in lateral.VALUES:
        found.append(Twin(Tied(Lateral(rbm, np.zeros((rbm.n_visible,) * 2)))))
    if kind in lateral.VALUES and rbm.hidden.kind == kind:
        found.append(Twin(Coupled(boltzmann.from_layers(rbm.W, rbm.b, rbm.c, lateral.VALUES[kind]))))
    if kind != "multinomial":
        A, B = np.zeros((2, rbm.n_visible)), np.zeros((2, rbm.n_hidden))
        found.append(Twin(Given(Conditional(rbm, A, B), np.ones(2))))
    return found
