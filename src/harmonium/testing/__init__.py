"""Test suites: a unit, a model or a sampler gets its tests by naming itself.

The tools compare with full enumeration: `joint_states` and `exact_law` list a small model, `chi_square` compares draws
with a law at a stated false-alarm rate, `gradient` differentiates numerically.
"""

from harmonium.testing.exactly import (
    FALSE_ALARMS,
    chi_square,
    counts_of,
    exact_law,
    gradient,
    joint_states,
    kolmogorov,
    made_boltzmann,
    made_conditional,
    made_lateral,
    made_rbm,
)

__all__ = [
    "FALSE_ALARMS",
    "chi_square",
    "counts_of",
    "exact_law",
    "gradient",
    "joint_states",
    "kolmogorov",
    "made_boltzmann",
    "made_conditional",
    "made_lateral",
    "made_rbm",
]
