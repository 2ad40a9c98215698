"""Every backend computes what `reference` defines, on the same uniforms."""

import numpy as np
import pytest
from _twins import Twins

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale
from harmonium.kernels import backend, cpu, cpu_math, jit, reference, vectors
from harmonium.kernels.constants import ADAGRAD, ADAM, LANES, MOMENTUM
from harmonium.kernels.records import Machine, Moments, Phase, Step
from harmonium.randomness import key_of, uniforms
from harmonium.training.batches import layout
from harmonium.units.levels import FEATURES, level_features

N_USERS, N_ITEMS, N_HIDDEN = 23, 17, 128 + 64 + 32 + 16  # every width of a tile
_load = vectors.loader(LANES)
MODULES = [pytest.param(cpu, id="cpu"), pytest.param(Twins("gpu"), id="gpu")]
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}  # float32 sums in another order


def made_ratings(rng, unrated=True):
    user, item = np.nonzero(rng.random((N_USERS, N_ITEMS)) < 0.4)
    level = rng.integers(0, 5, len(user)).astype(np.uint8)
    if unrated:
        level[rng.random(len(level)) < 0.1] = UNRATED
    ids = [np.arange(n) for n in (N_USERS, N_ITEMS)]
    return Ratings.from_arrays(user, item, level, *map(_vocabulary, ids), Scale.stars())


def _vocabulary(ids):
    from harmonium.data import Vocabulary

    return Vocabulary.from_ids(ids)


def made_machine(rng, features, n_hidden=N_HIDDEN):
    phi = level_features(features, Scale.stars().x)
    W = rng.normal(0, 0.2, (phi.shape[1], N_ITEMS, n_hidden)).astype(np.float32)
    b = rng.normal(0, 0.5, (N_ITEMS, 5)).astype(np.float32)
    c = rng.normal(0, 0.5, n_hidden).astype(np.float32)
    live = np.ones(n_hidden, np.float32)
    live[-1] = 0
    return Machine(W, b, c, phi, live, bool((phi[:, 0] == 1).all()))


def plan_of(module, where, rng):
    order = rng.permutation(N_USERS).astype(np.int32)
    return order[:10], module.schedule(where, order, 10)


def empty_phase(plan, machine):
    n = plan.origin[1] - plan.origin[0]
    Z = np.zeros((n, machine.phi.shape[1] - machine.conditional), np.float32)
    return Phase(*(np.full((10, N_HIDDEN), np.nan, np.float32) for _ in range(2)), Z)


def first_passes(features, rule, unrated, other=cpu):
    """The reference's and another backend's phases of the same batch, with what the second pass needs."""
    out = []
    for module in (reference, other):
        rng = np.random.default_rng(0)
        where, machine = layout(made_ratings(rng, unrated)), made_machine(rng, features)
        cases, plan = plan_of(module, where, rng)
        phase, keys = empty_phase(plan, machine), np.array([key_of(3, k) for k in range(6)])
        chain = np.random.default_rng(1).integers(0, 5, len(where.level)).astype(np.uint8)
        if rule == "multi-prediction":
            module.mp_phase(cases, where, machine, keys[:2], 0.5, 0.3, phase)
        else:
            sample, persistent = rule != "cd", rule == "pcd"
            module.cd_phase(cases, where, machine, keys, sample, chain, persistent, phase)
        out.append((phase, chain, plan, machine))
    return out


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("rule", ["multi-prediction", "cd", "sampled cd", "pcd"])
def test_the_first_pass_is_the_same_on_every_backend(features, rule, module):
    unrated = features in ("linear", "quadratic", "conditional-identity")
    (expected, chain, plan, _), (found, other_chain, other_plan, _) = first_passes(features, rule, unrated, module)
    for name in ("ptr", "origin", "case", "level", "place"):
        np.testing.assert_array_equal(getattr(plan, name), getattr(other_plan, name))
    for name in ("H0", "H1", "Z"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), **TOLERANCE, err_msg=name)
    np.testing.assert_array_equal(chain, other_chain)


@pytest.mark.parametrize("other", MODULES)
@pytest.mark.parametrize("optimizer", [ADAGRAD, ADAM, MOMENTUM])
@pytest.mark.parametrize("rule", ["multi-prediction", "cd", "sampled cd"])
def test_the_second_pass_is_the_same_on_every_backend(optimizer, rule, other):
    f32 = np.float32
    results = []
    for module, (phase, _, plan, machine) in zip((reference, other), first_passes("linear", rule, True, other)):
        moments = Moments(*(np.full_like(a, 1e-4) for a in (machine.W, machine.W, machine.b, machine.b)))
        step = Step(optimizer, f32(0.02), f32(0.006), f32(0.03), f32(0.9), f32(0.999), f32(1.7), f32(1e-6))
        how = (
            plan.case[: plan.origin[1]],
            plan.level[: plan.origin[1]],
            plan.place[: plan.origin[1]],
            rule == "multi-prediction",
            rule == "sampled cd",
        )
        module.units_step(plan.ptr[0], *how, phase, machine, moments, step)
        results.append((machine.W, machine.b, *moments))
    for expected, found in zip(*results):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("features", ["linear", "identity"])
@pytest.mark.parametrize("n_hidden", [5, 16, 51])  # fitted machines are not padded
def test_fields_and_probabilities_are_the_same_on_every_backend(features, n_hidden, module):
    rng = np.random.default_rng(0)
    ratings, machine = made_ratings(rng, features == "linear"), made_machine(rng, features, n_hidden)
    W, b, c, phi, _, conditional = machine
    entries = ratings.indptr, ratings.item
    fields = [m.hidden_fields(*entries, ratings.level, phi, conditional, W, c) for m in (reference, module)]
    np.testing.assert_allclose(fields[1], fields[0], **TOLERANCE)
    h = rng.random((N_USERS, n_hidden)).astype(np.float32)
    p = [m.entry_probabilities(*entries, h, W, b, phi, conditional) for m in (reference, module)]
    np.testing.assert_allclose(p[1], p[0], **TOLERANCE)
    asked = ratings.select(rng.random(ratings.n_entries) < 0.2)  # some cases have none
    known = (*entries, ratings.level)
    p = [m.predictions(known, (asked.indptr, asked.item), phi, conditional, W, b, c) for m in (reference, module)]
    np.testing.assert_allclose(p[1], p[0], **TOLERANCE)


def test_results_do_not_depend_on_the_number_of_threads():
    before, results = jit.n_threads(), []
    try:
        for n in (1, 3, 7):
            jit.set_n_threads(n)
            results.append(first_passes("linear", "pcd", True)[1][0])
    finally:
        jit.set_n_threads(before)
    for name in ("H0", "H1", "Z"):
        for other in results[1:]:
            np.testing.assert_array_equal(getattr(results[0], name), getattr(other, name))


def test_compiled_uniforms_are_those_of_the_randomness_module():
    drawn = np.array([[_uniform(key_of(7, 1), case, unit) for unit in range(50)] for case in range(40)])
    np.testing.assert_array_equal(drawn, uniforms(key_of(7, 1), np.arange(40)[:, None], np.arange(50)))


def test_compiled_exp_is_exact_to_a_few_units_in_the_last_place_and_never_overflows():
    x = np.linspace(-86, 86, 20_000, dtype=np.float32)
    extreme = np.array([-1e30, 1e30, np.inf, -np.inf] * 4, np.float32)
    for exp in (lambda values: np.array([_exp(v) for v in values]), _exp_of_lanes):
        np.testing.assert_allclose(exp(x), np.exp(x.astype(np.float64)), rtol=5e-7)
        assert np.isfinite(exp(extreme)).all()
        assert np.isnan(exp(np.full(16, np.nan, np.float32))).all()  # divergence must show


def test_an_unknown_backend_is_refused_by_name():
    from harmonium.errors import SettingError

    with pytest.raises(SettingError, match="'abacus' is not one of cpu, gpu, reference"):
        backend("abacus")


@jit.compiled
def _uniform(key, first, second):
    return cpu_math.uniform(key, first, second)


@jit.compiled
def _exp(x):
    return cpu_math.exp(x)


@jit.compiled
def _exp_of_lanes(x):
    out = np.empty_like(x)
    for t in range(0, x.shape[0], LANES):
        vectors.store(out, t, cpu_math.exp_of_lanes(_load(x, t)))
    return out
