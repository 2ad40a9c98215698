"""The laboratory through the API: patterns, learning in one request or several, chains, refusals."""

import numpy as np
import pytest

from harmonium.laboratory import chains
from harmonium.laboratory import machines as small
from harmonium.serving import laboratory
from harmonium.serving.schemas import lab as schemas


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
        p = 1 / (1 + np.exp(-chains.fields(machine, state, np.array(step["units"]))[0]))
        assert np.allclose(step["probabilities"], p)
        free = [k for k, unit in enumerate(step["units"]) if unit not in (0, 9)]
        after = np.array([step["visible"] + step["hidden"]], dtype=float)
        assert (after[0, step["units"]] == (np.array(step["tosses"]) < p))[free].all()
        assert step["energy"] == pytest.approx(small.energy(machine, after)[0])
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
        {"kind": "general", "n_visible": 1, "J": [[0.0, 1.0], [2.0, 0.0]], "b": [0.0, 0.0]},
        {"kind": "general", "n_visible": 3, "J": [[0.0, 1.0], [1.0, 0.0]], "b": [0.0, 0.0]},
        {"kind": "general", "n_visible": 1, "J": [[1e9]], "b": [0.0]},
        {"kind": "deep"},
    ],
)
def test_what_is_no_machine_is_refused(api, machine):
    answer = api.post("/api/v1/lab/landscape", json={"machine": machine})
    assert answer.status_code == 422 and answer.json()["type"] == "/problems/not-valid"
