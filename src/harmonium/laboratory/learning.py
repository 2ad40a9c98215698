"""Learning small machines before one's eyes: exact likelihood on the way, and what the last update saw."""

from itertools import islice
from typing import NamedTuple

from harmonium.laboratory.machines import Floats, Machine, data_means, fantasy_means, log_likelihood, model_means
from harmonium.training.stepwise import Stepwise, updates


class Point(NamedTuple):
    """Exact log-likelihood on the way.

    Parameters
    ----------
    update : int
    log_likelihood : float
        Mean of the cases, in nats.
    seconds : float
        Spent learning up to here; scoring is left out.
    """

    update: int
    log_likelihood: float
    seconds: float


class Learnt(NamedTuple):
    """What some updates did.

    Parameters
    ----------
    machine : RBM or Boltzmann
    chains : floats, (n_chains, n_units), or None
        Of "pcd".
    update : int
        Updates made in all.
    curve : list of Point
    data, fantasy : dict of floats
        What the data and the fantasies of the last update turned on, see `machines.data_means`; their difference, times
        the learning rate, was the update.
    fantasies : floats, (n, n_visible)
        Of the last update; none where its negative phase was summed.
    """

    machine: Machine
    chains: Floats | None
    update: int
    curve: list[Point]
    data: dict[str, Floats]
    fantasy: dict[str, Floats]
    fantasies: Floats


def learn(
    machine: Machine,
    v: Floats,
    how: Stepwise,
    n_updates: int,
    done: int = 0,
    chains: Floats | None = None,
    record_every: int = 1,
) -> Learnt:
    """Make some updates on all cases together.

    Parameters
    ----------
    machine : RBM or Boltzmann
    v : floats, (n_cases, n_visible)
    how : Stepwise
    n_updates : int
        At least 1.
    done : int
        Updates made before.
    chains : floats, (n_chains, n_units), optional
        From which "pcd" goes on.
    record_every : int
        Updates between two points of the curve.
    """
    seconds, curve = 0.0, [Point(done, log_likelihood(machine, v), 0.0)]
    k, last = done, None
    for k, last in enumerate(islice(updates(machine, v, how, done, chains), n_updates), start=done + 1):
        seconds += last.seconds
        if (k - done) % record_every == 0 or k == done + n_updates:
            curve.append(Point(k, log_likelihood(last.after, v), seconds))
    assert last is not None
    before, s = last.before, last.fantasies
    fantasy = model_means(before) if how.rule == "exact" else fantasy_means(before, s)
    return Learnt(last.after, last.chains, k, curve, data_means(before, v), fantasy, s[:, : machine.n_visible])
