"""The `rbms` package on PCD-1 of a Bernoulli machine; run by the python of `peer_python("rbms", RBMS)`.

    python rbms_dense.py 784 500 10 100 500 [--seconds 2] [--device cuda]

Its own functions, called as its training loop calls them, without that loop's files and logs, which take longer than
the learning at small batches. The last line printed is one JSON object: batch size -> samples a second.
"""

import argparse
import json
import time

import torch
from rbms.bernoulli_bernoulli.classes import BBRBM
from rbms.training.pcd import fit_batch_pcd

N_CASES = 10_000


def samples_per_second(n_visible: int, n_hidden: int, batch: int, seconds: float, device: str) -> float:
    """Time updates for a while; return the samples a second."""
    torch.manual_seed(0)
    torch.set_default_device(device)
    data = (torch.rand(N_CASES, n_visible) < 0.2).float()
    params = BBRBM(0.01 * torch.randn(n_visible, n_hidden), torch.zeros(n_visible), torch.zeros(n_hidden))
    params.init_grad()
    optimizer = torch.optim.SGD(params.parameters(), lr=0.01, maximize=True)
    chains = params.init_chains(batch)
    weights = torch.ones(batch)
    n, best = 0, 0.0
    end = time.perf_counter() + seconds
    with torch.no_grad():
        while n < 2 or time.perf_counter() < end:
            began = time.perf_counter()
            for _ in range(max(1, 500 // batch)):
                rows = torch.randperm(N_CASES)[:batch]
                optimizer.zero_grad(set_to_none=False)
                chains, _ = fit_batch_pcd((data[rows], weights), chains, params, 1, 1.0, centered=False)
                optimizer.step()
            float(params.weight_matrix[0, 0])  # waits for the device
            best = max(best, batch * max(1, 500 // batch) / (time.perf_counter() - began))
            n += 1
    return best


def main() -> None:
    """Time the batch sizes named on the command line."""
    parser = argparse.ArgumentParser(description="Time the rbms package.")
    parser.add_argument("n_visible", type=int)
    parser.add_argument("n_hidden", type=int)
    parser.add_argument("batches", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    sizes = asked.n_visible, asked.n_hidden
    print(
        json.dumps({batch: samples_per_second(*sizes, batch, asked.seconds, asked.device) for batch in asked.batches})
    )


if __name__ == "__main__":
    main()
