"""The second pass in two: gradients as rows, then the step along them, equal the pass that does both at once."""

import numpy as np
import pytest
from test_backends_agree import first_passes

from harmonium.kernels import cpu, reference
from harmonium.kernels.constants import ADAGRAD, ADAM, MOMENTUM
from harmonium.kernels.records import Moments, Step

f32 = np.float32


def stepped(module, features, rule, optimizer, in_two):
    """Parameters and moments after the second pass."""
    phase, _, plan, machine = first_passes(features, rule, features == "linear")[module is cpu]
    moments = Moments(*(np.full_like(a, 1e-4) for a in (machine.W, machine.W, machine.b, machine.b)))
    step = Step(optimizer, f32(0.02), f32(0.006), f32(0.03), f32(0.9), f32(0.999), f32(1.7), f32(1e-6))
    entries = [array[: plan.origin[1]] for array in (plan.case, plan.level, plan.place)]
    how = rule == "multi-prediction", rule == "sampled cd"
    ptr = plan.ptr[0]
    if not in_two:
        module.units_step(ptr, *entries, *how, phase, machine, moments, step)
        return (machine.W, machine.b, *moments)
    n_entries = np.diff(ptr)
    unit = np.flatnonzero(n_entries)
    row = np.full(len(n_entries), -1, np.int32)
    row[unit] = np.arange(len(unit))
    out = np.full((len(unit), len(machine.W) * machine.W.shape[2] + machine.b.shape[1]), np.nan, f32)
    middle = len(row) // 2
    for part in ((0, middle), (middle, len(row))):
        module.units_gradient(ptr, *entries, *how, phase, machine, row, out, *part)
    middle = len(unit) // 2
    for part in ((0, middle), (middle, len(unit))):
        module.rows_step(unit, n_entries[unit], out, machine, moments, step, *part)
    return (machine.W, machine.b, *moments)


@pytest.mark.parametrize("module", [reference, cpu])
@pytest.mark.parametrize("optimizer", [ADAGRAD, ADAM, MOMENTUM])
@pytest.mark.parametrize("rule", ["multi-prediction", "cd", "sampled cd"])
def test_gradient_and_step_one_after_the_other_equal_the_pass_that_does_both(module, optimizer, rule):
    for features in ("linear", "quadratic", "identity"):
        expected, found = (stepped(module, features, rule, optimizer, in_two) for in_two in (False, True))
        for a, b in zip(expected, found):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", ["multi-prediction", "cd", "sampled cd"])
def test_rows_of_gradients_are_the_same_on_every_backend(rule):
    expected, found = (stepped(module, "linear", rule, ADAGRAD, True) for module in (reference, cpu))
    for a, b in zip(expected, found):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)
