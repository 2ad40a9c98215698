"""Every estimator of dense machines with bad input, and where learning diverges."""

from typing import ClassVar

import numpy as np

from harmonium import (
    RBM,
    BernoulliRBM,
    BoltzmannMachine,
    ClassificationRBM,
    ConditionalRBM,
    DeepBeliefNetwork,
    DeepBoltzmannMachine,
    SemiRestrictedRBM,
)
from harmonium.testing.estimators import BITS, EstimatorSuite

REAL = 5 * np.random.default_rng(0).normal(size=(200, 4))
PAIRS = np.repeat([[0.0, 0, 1, 1], [1, 1, 0, 0]], 100, axis=0)
WILD = {"visible": "gaussian", "learning_rate": 1.5, "batch_size": 10, "n_epochs": 50}


class TestRestricted(EstimatorSuite):
    estimator = RBM(3, n_epochs=1)
    diverging: ClassVar = WILD
    rows_that_diverge = REAL


class TestSpins(EstimatorSuite):
    estimator = RBM(3, visible="spin", n_epochs=1)
    X = 2 * BITS - 1
    sparsely = False


class TestGaussian(EstimatorSuite):
    estimator = RBM(3, visible="gaussian", n_epochs=1)
    bad_value = None


class TestRectified(EstimatorSuite):
    estimator = RBM(3, visible="relu", n_epochs=1, learning_rate=1e-4)
    bad_value = -0.5


class TestCounts(EstimatorSuite):
    estimator = RBM(3, visible="multinomial", n_epochs=1)
    bad_value = 0.5
    refuses = ("score_samples", "score", "bracket")  # rows of other totals have no law in common

    def test_what_is_not_known_may_hold_anything_and_what_is_known_not(self):
        """Part of a row of counts cannot be known."""

    def test_too_few_draws_or_steps_are_refused_by_name(self):
        """How many are drawn in a row is part of the row."""


class TestScikitLearns(EstimatorSuite):
    estimator = BernoulliRBM(3, n_iter=1)


class TestBoltzmann(EstimatorSuite):
    estimator = BoltzmannMachine(1, method="pcd", n_epochs=1)
    diverging: ClassVar = {"learning_rate": 9.0, "n_epochs": 1000}
    rows_that_diverge = PAIRS


class TestBoltzmannExactly(EstimatorSuite):
    estimator = BoltzmannMachine(1, values="spins", method="exact", n_epochs=1)
    X = 2 * BITS - 1


class TestConditional(EstimatorSuite):
    estimator = ConditionalRBM(3, n_epochs=1)
    given: ClassVar = {"condition": np.random.default_rng(1).normal(size=(12, 2))}
    diverging: ClassVar = WILD
    rows_that_diverge = REAL


class TestSemiRestricted(EstimatorSuite):
    estimator = SemiRestrictedRBM(3, n_epochs=1)
    diverging: ClassVar = WILD
    rows_that_diverge = REAL


class TestClassification(EstimatorSuite):
    estimator = ClassificationRBM(3, n_epochs=1, discrimination=0.5)
    given: ClassVar = {"y": np.array(["a", "b"] * 6)}
    diverging: ClassVar = WILD | {"discrimination": 0.0}
    rows_that_diverge = REAL


class TestDeepBelief(EstimatorSuite):
    estimator = DeepBeliefNetwork((3, 2), n_epochs=1)
    refuses = ("free_energy",)
    diverging: ClassVar = WILD
    rows_that_diverge = REAL


class TestDeepBoltzmann(EstimatorSuite):
    estimator = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=1, n_epochs=1)
    diverging: ClassVar = {"learning_rate": 9.0, "n_epochs": 1000, "n_pretraining_epochs": 0}
    rows_that_diverge = PAIRS
