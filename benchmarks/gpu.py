"""Speed of learning on a GPU: shares of its matrix peak, epochs of MovieLens 1M, against `rbms` and scikit-learn.

PCD-1 of dense machines of 784-500 and 20,000-500 Bernoulli units at large mini-batches, and CD-1 of the rating machine
with 128 hidden units, as `throughput.py` has it, on the device and on the CPU. The same of the multinomial machine of
20,000 items and 200 hidden units, by every method. The peak is the device's own float32 matrix product; five products
of batch x n_visible x n_hidden a dense step, three a step of multi-prediction, cannot be saved. `rbms` runs on the same
device, scikit-learn on the CPU, in the same run. HARMONIUM_PRECISION=tf32 lets products round their factors.

    python benchmarks/gpu.py [--device cuda] [--data DIR] [--quick] [--no-peers] [--json]

Without --data (a folder with MovieLens 1M's ratings.parquet) a made set of the same shape is used. --device torch tries
the script on torch's CPU device; such figures say nothing of a GPU.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from _machine import describe, print_json
from _peers import RBMS, peer_python, run_peer
from harmonium import RBM, Interactions, MultinomialRBM, RatingRBM
from harmonium.errors import SettingError
from harmonium.kernels.devices import Device, device
from harmonium.training.choices import METHODS
from throughput import BATCH, MULTIPLY_ADDS, N_HIDDEN, ratings_of
from wide import N_USERS, made

DENSE = ((784, 500), (20_000, 500))
BATCHES = (500, 4_000)
PRODUCTS = 5  # as in dense.py
CHOICE_ITEMS, CHOICE_HIDDEN, N_CHOICES = 20_000, 200, 1_000_000
CHOICE_BATCHES = (200, 2_000)  # the estimator's own, and one that fills a GPU
CHOICE_PRODUCTS = 3
N_EPOCHS = 4  # the first one compiles and is left out
GEMM_SIZE = 8192


def matrix_peak(where: Device, size: int) -> float:
    """Best speed of a large float32 matrix product on the device, in GFLOP/s."""
    import torch

    A, B = (torch.rand(size, size, device=where.torch_name) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + 2
    while time.perf_counter() < end:
        began = time.perf_counter()
        C = A @ B
        float(C[0, 0])  # waits for it
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def dense_rates(where: str, n_visible: int, n_hidden: int, batch: int, n_cases: int) -> float:
    """Cases a second of PCD-1, the best epoch."""
    X = (np.random.default_rng(0).random((n_cases, n_visible), dtype=np.float32) < 0.2).astype(np.float32)
    machine = RBM(n_hidden, method="pcd", batch_size=batch, learning_rate=0.01, n_epochs=N_EPOCHS, device=where).fit(X)
    return n_cases / min(event.seconds for event in machine.history_ if event.kind == "dense epoch" and event.epoch > 1)


def rating_epoch(where: str, ratings: Any, batch: int) -> float:
    """Seconds of an epoch of CD-1, the best one."""
    machine = RatingRBM(
        N_HIDDEN, cases="users", method="cd", n_epochs=N_EPOCHS, batch_size=batch, validation_fraction=0,
        n_machines=1, device=where,
    )  # fmt: skip
    machine.fit(ratings)
    return min(event.seconds for event in machine.history_ if event.kind == "epoch" and event.epoch > 1)


def choice_epoch(where: str, x: Interactions, method: str, batch: int) -> float:
    """Seconds of an epoch of the multinomial machine, the best one."""
    machine = MultinomialRBM(CHOICE_HIDDEN, method=method, n_epochs=N_EPOCHS, batch_size=batch, device=where).fit(x)
    return min(event.seconds for event in machine.history_ if event.kind == "choice epoch" and event.epoch > 1)


def choice_figures(where: str, peak: float, quick: bool) -> dict[str, float]:
    """Cases a second of the multinomial machine on the device, how much faster than the CPU, and shares of the peak."""
    x = made(CHOICE_ITEMS, N_CHOICES // (50 if quick else 1), 400 if quick else N_USERS)
    flops, figures = 2 * CHOICE_PRODUCTS * CHOICE_ITEMS * CHOICE_HIDDEN * x.n_users, {}
    for method in METHODS:
        for batch in CHOICE_BATCHES:
            there, here = (choice_epoch(name, x, method, batch) for name in (where, "cpu"))
            name = f"multinomial_{method.replace('-', '_')}_batch_{batch}"
            figures |= {f"samples_per_second_{name}": x.n_users / there, f"speedup_over_cpu_{name}": here / there}
            if method == "multi-prediction":
                figures |= {f"share_of_peak_{name}": flops / there / 1e9 / peak}
            print(f"{name}: {x.n_users / there:,.0f} cases a second", file=sys.stderr, flush=True)
    return figures


def peers(where: Device, batches: tuple[int, ...]) -> dict[str, float]:
    """Samples a second of `rbms` on the device and of scikit-learn on the CPU, 784-500."""
    from sklearn.neural_network import BernoulliRBM

    sizes = map(str, (*DENSE[0], *batches))
    found = run_peer(peer_python("rbms", RBMS), "rbms_dense.py", *sizes, "--device", where.torch_name)
    out = {f"rbms_batch_{batch}": rate for batch, rate in found.items()}
    X = (np.random.default_rng(0).random((10_000, DENSE[0][0])) < 0.2).astype(np.float32)
    for batch in batches:
        began = time.perf_counter()
        BernoulliRBM(DENSE[0][1], learning_rate=0.01, batch_size=batch, n_iter=2, random_state=0).fit(X)
        out[f"sklearn_batch_{batch}"] = 2 * len(X) / (time.perf_counter() - began)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; torch tries the script without a GPU")
    parser.add_argument("--data", type=Path, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases and a small product: to try it")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    asked = parser.parse_args()
    try:
        where = device(asked.device)
    except SettingError as error:
        sys.exit(f"{error}; --device torch tries this script without one")
    figures: dict[str, Any] = {"device": where.title}
    peak = matrix_peak(where, GEMM_SIZE // 8 if asked.quick else GEMM_SIZE)
    figures["gemm_gflops"] = peak
    for n_visible, n_hidden in DENSE:
        for batch in BATCHES:
            n_cases = batch * (2 if asked.quick else 20)
            rate = dense_rates(asked.device, n_visible, n_hidden, batch, n_cases)
            name = f"{n_visible}_{n_hidden}_batch_{batch}"
            figures |= {f"samples_per_second_{name}": rate}
            figures |= {f"share_of_peak_{name}": rate * 2 * PRODUCTS * n_visible * n_hidden / 1e9 / peak}
            print(f"{name}: {rate:,.0f} cases a second", file=sys.stderr)
    figures |= choice_figures(asked.device, peak, asked.quick)
    ratings = ratings_of(asked.data)
    for batch in (BATCH, 6_040):
        there, here = (rating_epoch(name, ratings, batch) for name in (asked.device, "cpu"))
        flops = 2 * MULTIPLY_ADDS * N_HIDDEN * ratings.n_ratings
        figures |= {
            f"epochs_per_second_batch_{batch}": 1 / there,
            f"speedup_over_cpu_batch_{batch}": here / there,
            f"rating_share_of_peak_batch_{batch}": flops / there / 1e9 / peak,
        }
    if not asked.no_peers:
        figures |= peers(where, BATCHES)
    print_json(figures | {"data": "ml-1m" if asked.data else "synthetic, ml-1m's shape", "machine": describe()})


if __name__ == "__main__":
    main()
