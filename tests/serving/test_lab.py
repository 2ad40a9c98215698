"""The laboratory's machines against brute force: energies, distributions, gradients, chains, mixing."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from harmonium.serving import laboratory
from harmonium.serving import small_machines as small
from harmonium.serving.schemas import lab as schemas

FALSE_ALARM = 1e-6
STEP = 1e-5  # of finite differences


def restricted(seed: int = 0, n_visible: int = 3, n_hidden: int = 2) -> small.Restricted:
    """A restricted machine with large random weights."""
    rng = np.random.default_rng(seed)
    return small.Restricted(
        rng.normal(size=(n_visible, n_hidden)), rng.normal(size=n_visible), rng.normal(size=n_hidden)
    )


def general(seed: int = 0, n_visible: int = 3, n_hidden: int = 2) -> small.General:
    """A general machine with large random weights."""
    rng = np.random.default_rng(seed)
    W = np.triu(rng.normal(size=(n_visible + n_hidden,) * 2), 1)
    return small.General(W + W.T, rng.normal(size=n_visible + n_hidden), n_visible)


MACHINES = [restricted(), general(), general(1, 4, 0)]


def joint(machine: small.Machine, temperature: float = 1.0) -> dict[tuple, float]:
    """Probability of every joint state, pair by pair of units."""
    weights = {}
    for s in itertools.product((0, 1), repeat=machine.n_units):
        if isinstance(machine, small.Restricted):
            v, h = np.array(s[: machine.n_visible]), np.array(s[machine.n_visible :])
            minus_e = machine.b @ v + machine.c @ h + v @ machine.W @ h
        else:
            pairs = itertools.combinations(range(machine.n_units), 2)
            minus_e = machine.b @ np.array(s) + sum(machine.W[i, j] * s[i] * s[j] for i, j in pairs)
        weights[s] = np.exp(minus_e / temperature)
    total = sum(weights.values())
    return {s: weight / total for s, weight in weights.items()}


def visible(machine: small.Machine, temperature: float = 1.0) -> np.ndarray:
    """The same of the visible states, by their number."""
    p = np.zeros(1 << machine.n_visible)
    for s, q in joint(machine, temperature).items():
        p[sum(bit << i for i, bit in enumerate(s[: machine.n_visible]))] += q
    return p


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distributions_are_those_of_enumeration(machine, temperature):
    assert np.allclose(small.distribution(machine, temperature)[0], visible(machine, temperature))


@pytest.mark.parametrize("machine", MACHINES)
def test_energies_are_those_of_the_definition(machine):
    p = joint(machine)
    energy = machine.energy(np.array(list(p), dtype=float))
    log_z = small.distribution(machine)[1]
    assert np.allclose(-energy - log_z, np.log(list(p.values())))


@pytest.mark.parametrize("machine", MACHINES)
def test_gradients_are_those_of_finite_differences(machine):
    index = np.array([0, 3, 5])
    q = np.zeros(1 << machine.n_visible)
    q[index] = 1 / 3
    data, model = machine.means(q), machine.means(small.distribution(machine)[0])
    for name in ("W", "b", "c"):
        if getattr(machine, name, None) is None:
            continue
        gradient = getattr(data, name) - getattr(model, name)
        for place in np.ndindex(gradient.shape):
            nudge = np.zeros_like(gradient)
            nudge[place] = STEP
            if name == "W" and isinstance(machine, small.General):
                if place[0] == place[1]:
                    continue
                nudge = nudge + nudge.T
            steps = [small.Means(*(sign * nudge if part == name else np.zeros_like(getattr(data, part))
                                   if getattr(data, part) is not None else None for part in ("W", "b", "c")))
                     for sign in (1, -1)]  # fmt: skip
            up, down = (small.log_likelihood(machine.moved(step), index) for step in steps)
            assert gradient[place] == pytest.approx((up - down) / (2 * STEP), abs=1e-6)


@pytest.mark.parametrize("machine", MACHINES[:2])
def test_sweeps_leave_the_distribution_as_it_is(machine):
    p, rng = joint(machine), np.random.default_rng(0)
    states, n = np.array(list(p), dtype=float), 20_000
    s = states[rng.choice(len(states), n, p=list(p.values()))]
    for _ in range(2):
        s = small.sweep(machine, s, rng)
    counts = dict.fromkeys(p, 0)
    for row in s.astype(int).tolist():
        counts[tuple(row)] += 1
    statistic = sum((counts[key] - n * q) ** 2 / (n * q) for key, q in p.items())
    assert statistic < chi2.isf(FALSE_ALARM, len(p) - 1)


@pytest.mark.parametrize("machine", MACHINES[:2])
def test_relaxation_is_what_many_chains_do_and_ends_at_equilibrium(machine):
    n, rng = 40_000, np.random.default_rng(1)
    distance = small.relaxation(machine, 5, 300)
    assert distance[-1] < 1e-6 and (np.diff(distance) < 1e-12).all()
    p = {s: q for s, q in joint(machine).items() if s[:3] == (1, 0, 1)}
    start = np.array(list(p), dtype=float)[rng.choice(len(p), n, p=np.array(list(p.values())) / sum(p.values()))]
    for t in range(1, 3):
        start = small.sweep(machine, start, rng)
        shares = np.bincount((start[:, :3] @ [1, 2, 4]).astype(int), minlength=8) / n
        found = 0.5 * np.abs(shares - visible(machine)).sum()
        assert found == pytest.approx(distance[t], abs=0.02)  # 8 cells of 40,000 chains


def test_there_are_fourteen_bars_and_stripes_each_once():
    found = laboratory.patterns()
    assert len({tuple(row) for row in found.tolist()}) == len(found) == 14
    for row in found:
        grid = row.reshape(3, 3)
        assert (grid == grid[:, :1]).all() or (grid == grid[:1]).all()


@pytest.mark.parametrize("kind", ["restricted", "general"])
def test_exact_learning_climbs_and_a_large_number_of_steps_comes_near_it(kind):
    machine = laboratory.new_machine(schemas.NewMachineRequest(kind=kind, n_hidden=2))
    curves = {}
    for rule, n_steps in (("exact", 1), ("cd", 50), ("pcd", 1)):
        asked = schemas.LearnRequest(
            machine=machine, rule=rule, n_steps=n_steps, n_updates=80, learning_rate=0.2, n_chains=500
        )
        curves[rule] = [point["log_likelihood"] for point in laboratory.learn(asked)["curve"]]
    exact = curves["exact"]
    assert (np.diff(exact) > 0).all() and exact[-1] <= laboratory.data()["best_log_likelihood"]
    assert curves["cd"][-1] == pytest.approx(exact[-1], abs=0.3)


@pytest.mark.parametrize("rule", ["exact", "cd", "pcd"])
def test_learning_in_two_requests_is_learning_in_one(rule):
    machine = laboratory.new_machine(schemas.NewMachineRequest(kind="general", n_hidden=2))
    asked = {"rule": rule, "learning_rate": 0.3, "seed": 3}
    whole = laboratory.learn(schemas.LearnRequest(machine=machine, n_updates=6, **asked))
    part = laboratory.learn(schemas.LearnRequest(machine=machine, n_updates=2, **asked))
    rest = laboratory.learn(
        schemas.LearnRequest(
            machine=part["machine"], chains=part["chains"], update=part["update"], n_updates=4, **asked
        )
    )
    assert rest["machine"] == whole["machine"] and rest["chains"] == whole["chains"]
    assert rest["curve"][-1]["log_likelihood"] == whole["curve"][-1]["log_likelihood"]


def test_a_chain_of_the_laboratory_shows_what_it_was_drawn_by():
    plain = laboratory.new_machine(schemas.NewMachineRequest(spread=2.0))
    asked = schemas.LabGibbsRequest(machine=plain, visible=[1, 0] * 4 + [1], n_steps=6, clamped=[0, 9])
    machine, found = laboratory.read(asked.machine), laboratory.gibbs(asked)["steps"]
    state = np.array([[1, 0] * 4 + [1] + [0] * 6], dtype=float)
    for step in found:
        p = 1 / (1 + np.exp(-machine.fields(state, step["units"])[0]))
        assert np.allclose(step["probabilities"], p)
        free = [k for k, unit in enumerate(step["units"]) if unit not in (0, 9)]
        after = np.array([step["visible"] + step["hidden"]], dtype=float)
        assert (after[0, step["units"]] == (np.array(step["tosses"]) < p))[free].all()
        assert step["energy"] == pytest.approx(machine.energy(after)[0])
        assert after[0, 0] == 1 and after[0, 9] == 0
        state = after


def test_the_landscape_sees_the_data_once_they_are_learnt(api):
    machine = api.post("/api/v1/lab/machine", json={"n_hidden": 8, "seed": 1}).json()["machine"]
    learnt = {"machine": machine, "rule": "exact", "n_updates": 1000, "learning_rate": 1.0, "record_every": 1000}
    learnt = api.post("/api/v1/lab/learn", json=learnt).json()
    found = api.post("/api/v1/lab/landscape", json={"machine": learnt["machine"]}).json()
    assert found["probability_of_data"] > 0.5 and sum(found["probability"]) == pytest.approx(1)
    assert found["log_likelihood"] == pytest.approx(learnt["curve"][-1]["log_likelihood"])
    cold = api.post("/api/v1/lab/landscape", json={"machine": learnt["machine"], "temperature": 0.2}).json()
    assert cold["probability_of_data"] > found["probability_of_data"]
    mixing = api.post("/api/v1/lab/mixing", json={"machine": learnt["machine"], "n_sweeps": 5}).json()
    assert len(mixing["distance"]) == 6 and mixing["seconds_per_sweep"] > 0


@pytest.mark.parametrize(
    "machine",
    [
        {"kind": "restricted", "W": [[0.0]], "b": [0.0, 0.0], "c": [0.0]},
        {"kind": "general", "n_visible": 1, "W": [[0.0, 1.0], [2.0, 0.0]], "b": [0.0, 0.0]},
        {"kind": "general", "n_visible": 3, "W": [[0.0, 1.0], [1.0, 0.0]], "b": [0.0, 0.0]},
        {"kind": "general", "n_visible": 1, "W": [[1e9]], "b": [0.0]},
        {"kind": "deep"},
    ],
)
def test_what_is_no_machine_is_refused(api, machine):
    answer = api.post("/api/v1/lab/landscape", json={"machine": machine})
    assert answer.status_code == 422 and answer.json()["type"] == "/problems/not-valid"
