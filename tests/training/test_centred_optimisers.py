"""Centring with optimisers that scale entries one by one: it is their steps that are those of centred units."""

import numpy as np
import pytest

from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.training.dense import loop, state
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli

X = np.float32([[0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]] * 25)
BEST = -np.log(4)


@pytest.mark.parametrize("method", ["exact", "pcd"])
@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "momentum"])
def test_every_optimiser_learns_with_centred_units(optimizer, method):
    """Patterns whose units are mostly on, where centring matters most."""
    rate = {"adam": 0.02, "adagrad": 0.3, "momentum": 1.0}[optimizer]
    learning = DenseLearning(
        method=method, optimizer=optimizer, learning_rate=rate, momentum=0.9 if optimizer == "adam" else 0.0,
        n_epochs=1_500, batch_size=100, n_chains=200, n_steps=3, schedule="linear",
    )  # fmt: skip
    begun = rbms.initial(Bernoulli(6), Bernoulli(5), 0, X.mean(axis=0))
    learnt = state.start(begun, learning, 0, X.mean(axis=0), len(X))
    for _ in loop.train(learnt, X, learning):
        pass
    assert exact.log_likelihood(learnt.model(), X).mean() > BEST - (0.1 if method == "exact" else 0.25)
