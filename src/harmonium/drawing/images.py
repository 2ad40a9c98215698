"""Pictures of a machine of images: its filters, fantasies along chains, free energies of data and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harmonium.drawing import learnt, style
from harmonium.drawing.learnt import Ask
from harmonium.drawing.style import Style
from harmonium.likelihood.diagnostics import noise_like
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.sampling import gibbs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FILTERS = 64
STEPS = (0, 1, 3, 10, 30, 100, 300, 1000)  # at which chains are looked at
N_CHAINS = 10
N_ROWS = 600  # of a histogram
N_BINS = 48


class Learnt(NamedTuple):
    """A machine and what it was to be shown of.

    Parameters
    ----------
    ask : Ask
    rbm : RBM
    """

    ask: Ask
    rbm: RBM


def measure(ask: Ask) -> Learnt:
    """Learn the images.

    Parameters
    ----------
    ask : Ask
    """
    return Learnt(ask, learnt.of_images(ask))


def filters(found: Learnt) -> tuple[np.ndarray, dict[str, Any]]:
    """Weights of the hidden units as images, those most often between on and off first.

    Parameters
    ----------
    found : Learnt

    Returns
    -------
    W : float array, (n_shown, height, width)
    numbers : dict
    """
    rbm, images = found.rbm, found.ask.images
    p_h = rbms.hidden_mean(rbm, images.X)
    order = np.argsort(-p_h.var(axis=0))[:MOST_FILTERS]
    active = float(p_h.mean())
    idle = float((p_h.var(axis=0) < 1e-3).mean())
    return rbm.W.T[order].reshape(-1, *images.shape), {"mean_activity": active, "idle_share": idle}


def draw_filters(W: np.ndarray, look: Style) -> Figure:
    """A grid of filters, all on one scale.

    Parameters
    ----------
    W : float array, (n_shown, height, width)
    look : Style
    """
    n_columns = int(np.ceil(np.sqrt(len(W) * 1.6)))
    n_rows = -(-len(W) // n_columns)
    drawn = style.figure(0.62 * n_columns, 0.62 * n_rows * W.shape[1] / W.shape[2] + 0.45)
    most = float(np.quantile(np.abs(W), 0.995)) or 1.0
    for ax, w in zip(drawn.subplots(n_rows, n_columns, squeeze=False).flat, [*W, *[None] * (n_rows * n_columns)]):
        if w is None:
            ax.axis("off")
            continue
        ax.imshow(w, cmap=style.diverging(look), vmin=-most, vmax=most)
        style.framed(ax, look)
    drawn.suptitle("What turns each hidden unit on (orange) and off (blue)", x=0.01, ha="left", weight="bold", size=10)
    return drawn


def fantasies(found: Learnt) -> tuple[np.ndarray, dict[str, Any]]:
    """Means of the visible units along chains, half of them begun at data, half at noise.

    Parameters
    ----------
    found : Learnt

    Returns
    -------
    means : float array, (n_chains, n_steps, height, width)
    numbers : dict
    """
    rbm, images, seed = found.rbm, found.ask.images, found.ask.seed
    half = N_CHAINS // 2
    data = np.rint(images.X[np.linspace(0, len(images.X) - 1, half).astype(int)])
    noise = (np.random.default_rng(seed).random(data.shape) < 0.5).astype(np.float32)
    chains = gibbs.init(rbm, rng=seed, v=np.concatenate((data, noise)))
    shown, F, done = [chains.v], [rbms.free_energy(rbm, chains.v)], 0
    for step in STEPS[1:]:
        chains, info = gibbs.step(rbm, chains, key_of(seed, step), step - done)
        done = step
        shown.append(rbm.visible.mean(info.x_v))
        F.append(rbms.free_energy(rbm, chains.v))
    means = np.stack(shown, axis=1).reshape(N_CHAINS, len(STEPS), *images.shape)
    energies = np.array(F, np.float64)
    sides = {"data": energies[:, :half].mean(axis=1), "noise": energies[:, half:].mean(axis=1)}
    return means, {"steps": STEPS, "mean_free_energy": sides}


def draw_fantasies(means: np.ndarray, look: Style) -> Figure:
    """A row a chain, a column a moment.

    Parameters
    ----------
    means : float array, (n_chains, n_steps, height, width)
    look : Style
    """
    n, n_steps, height, width = means.shape
    drawn = style.figure(0.78 * n_steps + 0.6, 0.72 * n * height / width * 0.8 + 0.5)
    grid: Any = drawn.subplots(n, n_steps, squeeze=False)
    for i, j in np.ndindex(n, n_steps):
        ax = grid[i, j]
        ax.imshow(means[i, j], cmap=style.pixels(look), vmin=0, vmax=1)
        style.framed(ax, look)
        if i == 0:
            ax.set_title(f"{STEPS[j]:,}", weight="normal", loc="center", size=9, pad=4)
    for i, words in ((n // 4, "from data"), (n // 2 + n // 4, "from noise")):
        grid[i, 0].set_ylabel(words)
    drawn.suptitle("Fantasies after so many steps", x=0.01, ha="left", weight="bold", size=10)
    return drawn


def free_energies(found: Learnt) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Free energies of data, of fantasies, and of noise with the data's frequencies.

    Parameters
    ----------
    found : Learnt

    Returns
    -------
    F : dict of float arrays, (n,)
    numbers : dict
        Their means.
    """
    rbm, ask = found.rbm, found.ask
    rows = ask.images.X[np.linspace(0, len(ask.images.X) - 1, min(N_ROWS, len(ask.images.X))).astype(int)]
    chains = gibbs.init(rbm, rng=ask.seed, v=np.rint(rows))
    dreams = gibbs.step(rbm, chains, ask.seed + 1, ask.times(1000, 10))[0].v
    rows_of = {"data": rows, "fantasies": dreams, "noise": noise_like(rbm, rows, ask.seed)}
    F = {name: rbms.free_energy(rbm, v).astype(np.float64) for name, v in rows_of.items()}
    level = F["data"].mean()
    F = {name: values - level for name, values in F.items()}
    return F, {f"mean_{name}": float(values.mean()) for name, values in F.items()}


def draw_free_energies(F: dict[str, np.ndarray], look: Style) -> Figure:
    """Histograms one over the other.

    Parameters
    ----------
    F : dict of float arrays, (n,)
    look : Style
    """
    drawn = style.figure(6.4, 3.2)
    ax = drawn.subplots()
    every = np.concatenate(list(F.values()))
    bins = np.linspace(every.min(), np.quantile(every, 0.999), N_BINS)
    for (name, values), colour in zip(F.items(), (look.series[0], look.series[1], look.series[4])):
        ax.hist(values, bins, density=True, histtype="stepfilled", color=colour, alpha=0.3)
        ax.hist(values, bins, density=True, histtype="step", color=colour, linewidth=1.6, label=name)
    ax.set(xlabel="free energy above the data's mean, nats (lower is more probable)", ylabel="share a nat")
    ax.set_title("Data lie low, noise lies high; fantasies should lie where data do")
    ax.legend()
    return drawn
