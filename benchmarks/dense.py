"""Speed of PCD-1 on a dense machine of 784 visible and 500 hidden Bernoulli units, against scikit-learn and `rbms`.

Samples a second of `fit` at mini-batches of 10, 100 and 500 cases, with as many chains: the `BernoulliRBM` here, which
takes scikit-learn's arguments, and scikit-learn's own. `speedup_batch_*` is for a float64 array, NumPy's default, given
to both: scikit-learn then computes in double precision, harmonium in single. `speedup_float32_batch_*` is for a float32
array given to both. Everybody in one run, in turns, the best of several fits, compiled before the clock starts. What
cannot be saved are five products of batch x 784 x 500 a step; the peak is the machine's float32 matrix product by
NumPy's BLAS, the share that of the float32 fit at batch 500.

    python benchmarks/dense.py [--fits 2] [--no-rbms] [--json]
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neural_network import BernoulliRBM as Theirs

from _machine import describe, gemm_peak, print_json
from _peers import RBMS, peer_python, run_peer
from harmonium import RBM, BernoulliRBM

N_VISIBLE, N_HIDDEN, N_CASES = 784, 500, 10_000
BATCHES = (10, 100, 500)
PRODUCTS = 5  # multiply-adds of a step, in products of batch x n_visible x n_hidden
N_PASSES = 3
RATE = 0.01


def made_cases() -> np.ndarray:
    """Binary cases, a fifth of their entries on: (N_CASES, N_VISIBLE)."""
    return (np.random.default_rng(0).random((N_CASES, N_VISIBLE)) < 0.2).astype(np.float32)


def fits(X: np.ndarray, batch: int) -> dict[str, Callable[[], Any]]:
    """What is timed, by name: N_PASSES over the cases each."""
    same = {"n_components": N_HIDDEN, "learning_rate": RATE, "batch_size": batch, "n_iter": N_PASSES, "random_state": 0}
    X64 = X.astype(np.float64)
    centred = RBM(N_HIDDEN, method="pcd", batch_size=batch, learning_rate=RATE, n_epochs=N_PASSES)
    return {
        "harmonium": lambda: BernoulliRBM(**same).fit(X64),
        "harmonium_float32": lambda: BernoulliRBM(**same).fit(X),
        "harmonium_centred": lambda: centred.fit(X),
        "sklearn": lambda: Theirs(**same).fit(X64),
        "sklearn_float32": lambda: Theirs(**same).fit(X),
    }


def rates(X: np.ndarray, batch: int, n_fits: int) -> dict[str, float]:
    """Samples a second of each, the best of some fits taken in turns."""
    timed, best = fits(X, batch), {}
    for name in timed:
        fits(X[: 2 * batch], batch)[name]()  # compiles and starts the threads
    for _ in range(n_fits):
        for name, fit in timed.items():
            began = time.perf_counter()
            fit()
            best[name] = max(best.get(name, 0.0), N_PASSES * len(X) / (time.perf_counter() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=2, help="of each, at each batch size")
    parser.add_argument("--no-rbms", action="store_true", help="leave the rbms package out; it needs torch")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    asked = parser.parse_args()
    X, peak, measured = made_cases(), gemm_peak(), {}
    for batch in BATCHES:
        measured[batch] = rates(X, batch, asked.fits)
        print(f"batch {batch}: {measured[batch]}", file=sys.stderr)
    peak = max(peak, gemm_peak())
    figures = {f"speedup_batch_{batch}": rate["harmonium"] / rate["sklearn"] for batch, rate in measured.items()}
    flops = 2 * PRODUCTS * N_VISIBLE * N_HIDDEN
    figures |= {"share_of_gemm_peak": measured[500]["harmonium_float32"] * flops / 1e9 / peak, "gemm_gflops": peak}
    for batch, rate in measured.items():
        figures[f"speedup_float32_batch_{batch}"] = rate["harmonium_float32"] / rate["sklearn_float32"]
        figures |= {f"{name}_batch_{batch}": value for name, value in rate.items()}
    if not asked.no_rbms:
        sizes = map(str, (N_VISIBLE, N_HIDDEN, *BATCHES))
        peer = run_peer(peer_python("rbms", RBMS), "rbms_dense.py", *sizes)
        figures |= {f"rbms_batch_{batch}": rate for batch, rate in peer.items()}
    print_json(figures | {"machine": describe()})


if __name__ == "__main__":
    main()
