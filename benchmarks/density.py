"""How well the machines learn distributions: log-likelihood in nats a row, exact or as a bracket.

Every likelihood is of the test part; of all patterns for bars-and-stripes, which are the whole distribution. Settings
were chosen on validation parts: the last 10,000 training images of MNIST, the `valid` part of the density sets; the
final MNIST machines learn from all 60,000. MNIST is binarised by a threshold, at 128 of 255.

    python benchmarks/density.py --data DIR [--only NAME] [--quick] [--json]

DIR holds mnist/ (the four idx files, gzipped) and density/ (baudio.npz and so on, bit-packed along axis 1). NAME is
bars_3x3, bars_4x4, mnist_16, mnist_500 or a density set; several may be given, separated by commas. --quick shows that
everything runs, on few rows for few epochs; its figures mean nothing.
"""

import argparse
import gzip
import itertools
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from _machine import describe, print_json
from harmonium.estimators.boltzmann_machine import BoltzmannMachine
from harmonium.likelihood import bracket, log_likelihood
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.training.dense import loop, state
from harmonium.training.dense.records import restricted
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli

Rows = npt.NDArray[np.float32]
THRESHOLD = 128
QUICK_ROWS = 500  # of every part, with --quick
MOST_ROWS: int | None = None
IMAGE_HEADER = 16  # bytes of an idx file of images
BEST = {3: -2.5993, 4: -3.3791}  # nats a pattern: entropy of the patterns, all-on and all-off with double mass


@dataclass(frozen=True)
class Plan:
    """How one machine learns.

    Parameters
    ----------
    n_hidden : int
    learning : DenseLearning
    n_betas, n_chains, n_rows : int
        Of the bracket.
    """

    n_hidden: int
    learning: DenseLearning
    n_betas: int = 10_000
    n_chains: int = 100
    n_rows: int = 100
    seed: int = 0


def pcd(n_hidden: int, n_epochs: int, rate: float, decay: float = 0.0, batch: int = 100, chains: int = 200, k: int = 1):
    """A plan by persistent chains, the rate falling to 0 linearly, units centred."""
    learning = DenseLearning(
        method="pcd", n_epochs=n_epochs, learning_rate=rate, weight_decay=decay, batch_size=batch, n_chains=chains,
        n_steps=k, schedule="linear",
    )  # fmt: skip
    return Plan(n_hidden, learning)


def exactly(n_hidden: int, n_epochs: int, rate: float, momentum: float) -> Plan:
    """A plan by the exact gradient of all cases at once."""
    learning = DenseLearning(
        method="exact", n_epochs=n_epochs, learning_rate=rate, momentum=momentum, batch_size=100, schedule="linear"
    )
    return Plan(n_hidden, learning)


@dataclass(frozen=True)
class Pairs:
    """How a Boltzmann machine without hidden units learns: by pseudo-likelihood, then again with its strongest ties.

    Parameters
    ----------
    first_decay : float
        Of the machine in which all units are tied.
    n_ties : int
        Kept for the second machine.
    decay : float
        Of the second machine.
    """

    first_decay: float
    n_ties: int
    decay: float
    n_betas: int = 2_000
    n_chains: int = 100
    n_rows: int = 200
    seed: int = 0


BARS = {3: exactly(12, 2_000, 0.1, 0.9), 4: exactly(12, 3_000, 0.1, 0.9)}
MNIST_16 = pcd(16, 30, 0.5)
MNIST_500 = replace(pcd(500, 60, 0.25, batch=500, chains=500), n_betas=15_000)
DENSITY = {
    "nltcs": pcd(100, 100, 1.0, 1e-4),
    "plants": pcd(100, 100, 1.0, 3e-4, k=3),
    "baudio": pcd(200, 60, 0.4, 3e-4),
    "bnetflix": pcd(200, 60, 0.4, 3e-4),
    "accidents": pcd(100, 150, 2.0, 1e-4, k=3),
    "dna": Pairs(0.01, 500, 0.001),
}


def bars_and_stripes(side: int) -> Rows:
    """All rows-on-or-off and columns-on-or-off images; all-on and all-off come twice."""
    rows = [np.tile(bits, (side, 1)) for bits in itertools.product((0, 1), repeat=side)]
    return np.array([image.ravel() for image in rows] + [image.T.ravel() for image in rows], np.float32)


def images(path: Path) -> Rows:
    """Binary images of an idx file."""
    content = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=IMAGE_HEADER)
    return (content.reshape(-1, 28 * 28) >= THRESHOLD).astype(np.float32)[:MOST_ROWS]


def mnist(folder: Path) -> tuple[Rows, Rows]:
    """Training and test images."""
    train = next(folder.glob("train-images*"))
    return images(train), images(folder / "t10k-images-idx3-ubyte.gz")


def parts_of(path: Path) -> dict[str, Rows]:
    """The parts of a density set: train, valid, test."""
    packed = np.load(path)
    n = int(packed["n_vars"])
    rows = {name: packed[name][:MOST_ROWS] for name in ("train", "valid", "test")}
    return {name: np.unpackbits(part, axis=1)[:, :n].astype(np.float32) for name, part in rows.items()}


def learnt(X: Rows, plan: Plan) -> tuple[RBM, float]:
    """The machine that a plan learns, and the seconds it took."""
    began, mean = time.perf_counter(), X.mean(axis=0)
    start = rbms.initial(Bernoulli(X.shape[1]), Bernoulli(plan.n_hidden), plan.seed, mean)
    learning = state.start(start, plan.learning, plan.seed, mean, len(X))
    for event in loop.train(learning, X, plan.learning):
        if event.kind == "dense epoch" and event.epoch % max(1, plan.learning.n_epochs // 5) == 0:
            print(f"  epoch {event.epoch} of {event.n_epochs}", file=sys.stderr)
    return restricted(learning.model()), time.perf_counter() - began


def bars(side: int) -> dict[str, Any]:
    """Exact likelihood of bars-and-stripes after learning all patterns, beside the best there can be."""
    X = bars_and_stripes(side)
    rbm, seconds = learnt(X, BARS[side])
    value = float(log_likelihood(rbm, X).mean())
    return {"log_likelihood": value, "best": BEST[side], "share_below_best": value / BEST[side] - 1, "seconds": seconds}


def mnist_exact(folder: Path) -> dict[str, Any]:
    """Exact test likelihood of 784-16."""
    train, test = mnist(folder)
    rbm, seconds = learnt(train, MNIST_16)
    return {"log_likelihood": float(log_likelihood(rbm, test).mean()), "seconds": seconds}


def paired(X: Rows, plan: Pairs) -> tuple[Boltzmann, float]:
    """The Boltzmann machine that a plan learns, and the seconds it took."""
    began = time.perf_counter()
    full = BoltzmannMachine(method="pseudo-likelihood", weight_decay=plan.first_decay, n_epochs=200).fit(X)
    strength = np.triu(np.abs(full.fitted_model.J))
    weakest = np.partition(strength.ravel(), -plan.n_ties)[-plan.n_ties]
    ties = sparse.csr_array(strength >= weakest)
    machine = BoltzmannMachine(method="pseudo-likelihood", weight_decay=plan.decay, couplings=ties, n_epochs=200).fit(X)
    return machine.fitted_model, time.perf_counter() - began


def bounded(train: Rows, test: Rows, plan: Plan | Pairs) -> dict[str, Any]:
    """Learn, then bound the test likelihood."""
    model, seconds = learnt(train, plan) if isinstance(plan, Plan) else paired(train, plan)
    began = time.perf_counter()
    found = bracket(model, test, train.mean(axis=0), plan.n_chains, plan.n_betas, plan.n_rows, rng=plan.seed)
    timed = {"seconds_learning": seconds, "seconds_bracket": time.perf_counter() - began}
    return found.to_dict() | timed


def density(path: Path, part: str) -> dict[str, Any]:
    """Bracket of a density set's part, the machine learnt from its training part."""
    parts = parts_of(path)
    return bounded(parts["train"], parts[part], DENSITY[path.stem])


def quickly() -> None:
    """Cut rows, epochs and temperatures down to what shows that everything runs."""
    global BARS, MNIST_16, MNIST_500, DENSITY, MOST_ROWS

    def cut(plan: Any) -> Any:
        if isinstance(plan, Pairs):
            return replace(plan, n_betas=50, n_chains=10, n_rows=10)
        return replace(plan, learning=replace(plan.learning, n_epochs=2), n_betas=50, n_chains=10, n_rows=10)

    MOST_ROWS = QUICK_ROWS
    BARS, DENSITY = ({name: cut(plan) for name, plan in plans.items()} for plans in (BARS, DENSITY))
    MNIST_16, MNIST_500 = cut(MNIST_16), cut(MNIST_500)


def run(name: str, folder: Path, part: str) -> dict[str, Any]:
    """Run one part and return its figures by key."""
    if name.startswith("bars"):
        found = bars(int(name[5]))
        return {name: found["log_likelihood"], f"{name}_details": found}
    if name == "mnist_16":
        found = mnist_exact(folder / "mnist")
        return {"mnist_16_exact": found["log_likelihood"], "mnist_16_details": found}
    if name == "mnist_500":
        found = bounded(*mnist(folder / "mnist"), MNIST_500)
        ends = {"mnist_500_ais": found["upper"], "mnist_500_reverse_ais": found["lower"]}
        return ends | {"mnist_500_seconds": found["seconds_learning"], "mnist_500_details": found}
    return {name: density(folder / "density" / f"{name}.npz", part)}


def main() -> None:
    names = ["bars_3x3", "bars_4x4", "mnist_16", "mnist_500", *DENSITY]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds mnist/ and density/")
    parser.add_argument("--only", default=",".join(names), help="parts to run, separated by commas")
    parser.add_argument("--part", choices=("valid", "test"), default="test", help="of the density sets; valid to tune")
    parser.add_argument("--quick", action="store_true", help="few rows and epochs: does everything run?")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    unknown = set(arguments.only.split(",")) - set(names)
    if unknown:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if arguments.quick:
        quickly()
    began, figures = time.perf_counter(), {}
    for name in arguments.only.split(","):
        found = run(name, arguments.data, arguments.part)
        print(name, found, file=sys.stderr, flush=True)
        figures |= found
    print_json(figures | {"seconds_total": time.perf_counter() - began, "machine": describe()})


if __name__ == "__main__":
    main()
