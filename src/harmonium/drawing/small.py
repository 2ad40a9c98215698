"""Pictures of machines so small that everything about them is exact: energy landscapes, learning curves, ladders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harmonium.drawing import learnt, patterns, style
from harmonium.drawing.learnt import Ask, Curve
from harmonium.drawing.style import Style
from harmonium.models import exact
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.sampling import tempering
from harmonium.training.dense.settings import DenseLearning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 3
N_HIDDEN = 10
METHODS = {  # colours and words of the learning curves
    "CD-1": {"method": "cd"},
    "PCD-1": {"method": "pcd"},
    "full chain": {"method": "full-chain", "longest_chain": 1000},
    "exact": {"method": "exact"},
}
WORST = 14.0  # nats: states less probable than exp(-WORST) are drawn alike
N_BETAS = 8
LOWEST_BETA = 0.1
N_WALKS, WALK = 3, 120  # replicas whose way is drawn, and for how many steps


class Landscape(NamedTuple):
    """Surprise -log p of every state, before and after learning.

    Parameters
    ----------
    before, after : float64 array, (n_states,)
        In nats.
    is_data : bool array, (n_states,)
    """

    before: np.ndarray
    after: np.ndarray
    is_data: np.ndarray


def landscape(ask: Ask) -> tuple[Landscape, dict[str, Any]]:
    """Learn bars and stripes of 3 x 3 pixels by exact gradients, and weigh all 512 states.

    Parameters
    ----------
    ask : Ask
    """
    X = patterns.bars_and_stripes(SIDE).X
    begun = learnt.small(X, N_HIDDEN, ask.seed)
    learning = DenseLearning("exact", n_epochs=ask.times(3000), learning_rate=0.5, batch_size=len(X), momentum=0.5)
    found = learnt.curve(begun, X, learning, ask.seed)
    states = begun.visible.states()
    is_data = (states[:, None] == np.unique(X, axis=0)).all(axis=2).any(axis=1)
    before, after = (-exact.log_likelihood(rbm, states) for rbm in (begun, found.rbm))
    numbers = {
        "states": len(states), "patterns": int(is_data.sum()), "log_likelihood_before": found.likelihood[0],
        "log_likelihood_after": found.likelihood[-1], "best_possible": patterns.best_likelihood(X),
        "mass_before": float(np.exp(-before[is_data]).sum()), "mass_after": float(np.exp(-after[is_data]).sum()),
    }  # fmt: skip
    return Landscape(before, after, is_data), numbers


def draw_landscape(found: Landscape, look: Style) -> Figure:
    """Maps of all states, neighbours differing by a pixel, over their surprises in order.

    Parameters
    ----------
    found : Landscape
    look : Style
    """
    drawn = style.figure(8.2, 5.6)
    grid = drawn.subplots(2, 2, height_ratios=(1, 0.8))
    shown: Any = None
    for ax, surprise, words in zip(grid[0], (found.before, found.after), ("before learning", "after learning")):
        shown = _map(ax, surprise, found.is_data, look)
        ax.set_title(f"All {len(surprise)} images, {words}")
    bar = drawn.colorbar(shown, ax=grid[0], shrink=0.9, aspect=14, label="surprise, -log p, nats")
    bar.outline.set_visible(False)  # type: ignore[operator]
    for ax, surprise in zip(grid[1], (found.before, found.after)):
        _ranks(ax, surprise, found, look)
    grid[1, 0].set_ylabel("surprise, nats")
    grid[1, 0].legend(loc="upper left")
    return drawn


def _map(ax: Axes, surprise: np.ndarray, is_data: np.ndarray, look: Style) -> Any:
    """States on a grid in Gray codes, the data ringed."""
    from matplotlib.colors import LinearSegmentedColormap

    n_bits = len(surprise).bit_length() - 1
    rows, columns = _gray(n_bits // 2), _gray(n_bits - n_bits // 2)
    place = rows[:, None] * len(columns) + columns
    colours = LinearSegmentedColormap.from_list(
        "surprise", [look.series[1], look.series[3], look.series[0], look.paper]
    )
    shown = ax.imshow(np.minimum(surprise, WORST)[place], cmap=colours, vmin=0, vmax=WORST, aspect="auto")
    y, x = np.nonzero(is_data[place])
    ax.scatter(x, y, s=46, facecolors="none", edgecolors=look.ink, linewidths=1.1)
    style.framed(ax, look)
    return shown


def _gray(n_bits: int) -> np.ndarray:
    """Numbers of n bits in an order in which neighbours differ by one bit."""
    k = np.arange(2**n_bits)
    return k ^ (k >> 1)


def _ranks(ax: Axes, surprise: np.ndarray, found: Landscape, look: Style) -> None:
    order = np.argsort(surprise)
    rank = np.arange(1, len(order) + 1)
    data = found.is_data[order]
    ax.scatter(rank[~data], surprise[order][~data], s=7, color=look.series[0], linewidths=0, label="other images")
    ax.scatter(rank[data], surprise[order][data], s=26, color=look.series[1], linewidths=0, label="bars and stripes")
    ax.set(xscale="log", xlabel="images, the most probable first", ylim=(0, max(found.after.max(), 12) * 1.05))


def chains(ask: Ask) -> tuple[dict[str, Curve], dict[str, Any]]:
    """Learn the same machine by one-step short cuts, by chains run until they converge, and exactly.

    Parameters
    ----------
    ask : Ask
    """
    X = np.tile(patterns.bars_and_stripes(SIDE).X, (8, 1))
    begun, found = learnt.small(X, N_HIDDEN, ask.seed), {}
    for name, how in METHODS.items():
        learning = DenseLearning(
            n_epochs=ask.times(3000, 3),
            batch_size=len(X),
            learning_rate=0.1,
            momentum=0.5,
            **how,  # type: ignore[arg-type]
        )
        found[name] = learnt.curve(begun, X, learning, ask.seed)
    numbers: dict[str, Any] = {"best_possible": patterns.best_likelihood(X)}
    for name, curve in found.items():
        numbers[name] = {
            "log_likelihood": curve.likelihood[-1], "seconds": curve.seconds[-1], "updates": int(curve.updates[-1]),
            "steps_an_update": curve.n_steps,
        }  # fmt: skip
    return found, numbers


def draw_chains(found: dict[str, Curve], look: Style) -> Figure:
    """Exact likelihood against time and against updates.

    Parameters
    ----------
    found : dict of Curve
    look : Style
    """
    drawn = style.figure(8.2, 3.4)
    left, right = drawn.subplots(1, 2, sharey=True)
    best = patterns.best_likelihood(patterns.bars_and_stripes(SIDE).X)
    for ax, of in ((left, "seconds"), (right, "updates")):
        ax.axhline(best, color=look.faint, linewidth=1.2, linestyle="--", zorder=0)
        for (name, curve), colour in zip(found.items(), look.series):
            at = getattr(curve, of)[1:]
            ax.plot(at, curve.likelihood[1:], color=colour, label=name)
        ax.set(xscale="log")
    left.set(xlabel="seconds of learning", ylabel="exact log-likelihood, nats")
    right.set(xlabel="updates")
    left.set_title("Against time")
    right.set_title("Against updates")
    left.annotate("best possible", (0.02, best), xycoords=("axes fraction", "data"), xytext=(0, -3),
                  textcoords="offset points", va="top", size=8)  # fmt: skip
    right.legend(loc="lower right")
    return drawn


class Ladder(NamedTuple):
    """Tempering of a machine with sharp modes.

    Parameters
    ----------
    even, adapted : tuple of two float arrays, (n_betas,), (n_betas - 1,)
        Betas and exchange rates of even steps, and after adapting.
    place : int array, (n_steps, n_betas)
        Where each replica of one chain stands after each step.
    """

    even: tuple[np.ndarray, np.ndarray]
    adapted: tuple[np.ndarray, np.ndarray]
    place: np.ndarray


def ladder(ask: Ask) -> tuple[Ladder, dict[str, Any]]:
    """Measure exchanges of a ladder of even steps, adapt it, and follow the replicas.

    Parameters
    ----------
    ask : Ask
    """
    X = patterns.bars_and_stripes(4).X
    learning = DenseLearning("exact", n_epochs=ask.times(1500), learning_rate=0.3, batch_size=len(X), momentum=0.5)
    rbm = learnt.curve(learnt.small(X, N_HIDDEN, ask.seed), X, learning, ask.seed).rbm
    rng, n_steps = ask.seed, ask.times(400, 20)
    begun = tempering.init(rbm, 100, rng, tempering.ladder(N_BETAS, LOWEST_BETA))
    warm, even = tempering.swap_rates(rbm, begun, key_of(rng, 1), n_steps)
    adapted, rates = tempering.adapt(rbm, warm, key_of(rng, 2), n_steps)
    place, trips = _walks(rbm, adapted, ask.seed, ask.times(2000, 50))
    numbers = {
        "betas": adapted.betas, "swap_rates_even": even, "swap_rates": rates, "lowest_even": even.min(),
        "lowest": rates.min(), "round_trips_per_1000_steps": trips,
    }  # fmt: skip
    return Ladder((begun.betas, even), (adapted.betas, rates), place), numbers


def _walks(rbm: RBM, now: tempering.State, seed: int, n_steps: int) -> tuple[np.ndarray, float]:
    """Places of the replicas of the first chain, and round trips of all chains' replicas in 1,000 steps."""
    n, k = now.v.shape[:2]
    who = np.tile(np.arange(k), (n, 1))  # who stands at each place
    heading, trips, places = np.zeros((n, k), int), 0, []
    for t in range(n_steps):
        now, info = tempering.step(rbm, now, key_of(seed, 3, t))
        chain, pair = np.nonzero(info.accepted)
        who[chain, pair], who[chain, pair + 1] = who[chain, pair + 1].copy(), who[chain, pair].copy()
        places.append(np.argsort(who[0]))
        cold, hot = who[:, 0], who[:, -1]
        rows = np.arange(n)
        trips += int((heading[rows, cold] == -1).sum())  # was at the hot end, is back at the cold one
        heading[rows, cold], heading[rows, hot] = 1, np.where(heading[rows, hot] == 1, -1, heading[rows, hot])
    return np.array(places), 1000 * trips / n_steps / n


def draw_ladder(found: Ladder, look: Style) -> Figure:
    """Exchange rates before and after adapting, and where replicas went.

    Parameters
    ----------
    found : Ladder
    look : Style
    """
    drawn = style.figure(8.2, 3.4)
    left, right = drawn.subplots(1, 2, width_ratios=(1, 1.4))
    for (betas, rates), colour, words in ((found.even, look.series[4], "even steps"),
                                          (found.adapted, look.series[0], "adapted")):  # fmt: skip
        left.plot((betas[1:] + betas[:-1]) / 2, rates, "o-", color=colour, markersize=4, label=words)
    left.set(xlabel="inverse temperature between neighbours", ylabel="share of exchanges accepted", ylim=(0, 1.02))
    left.set_title("How often neighbours exchange")
    left.legend(loc="lower right")
    betas, n_shown = found.adapted[0], min(len(found.place), WALK)
    for k in range(N_WALKS):
        replica = k * (len(betas) - 1) // (N_WALKS - 1)
        right.plot(found.place[:n_shown, replica], color=look.series[k], linewidth=1.2, alpha=0.9)
    right.set_yticks(np.arange(len(betas)), [f"{beta:.2f}" for beta in betas])
    right.invert_yaxis()
    right.set(xlabel="steps", ylabel="inverse temperature")
    right.set_title("Ways of three replicas of one chain")
    return drawn
