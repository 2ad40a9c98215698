"""What runs in the browser is replayed in Node.js against values that the library computes."""

import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harmonium.laboratory import chains, machines
from harmonium.sampling.mixing import mixing
from harmonium.units import bernoulli

EXACT = {"rtol": 1e-12, "atol": 1e-12}
RUN = """
import { readFileSync } from "node:fs";
const physics = await import(process.argv[2]);
const { random } = await import(process.argv[3]);
const given = JSON.parse(readFileSync(0, "utf8"));
const { machine, pairs, states, hidden, joint, temperatures, fields, uniforms, clamp, seed } = given;
const toss = random(seed);
process.stdout.write(JSON.stringify({
  hiddenFields: states.map((v) => physics.hiddenFields(machine, v)),
  visibleFields: hidden.map((h) => physics.visibleFields(machine, h)),
  energy: states.map((v, k) => physics.energy(machine, v, hidden[k])),
  free: temperatures.map((T) => physics.allFreeEnergies(machine, T)),
  p: temperatures.map((T) => physics.distribution(physics.allFreeEnergies(machine, T), T)),
  clamped: physics.distribution(physics.allFreeEnergies(machine), 1, clamp),
  toss: temperatures.map((T) => physics.toss(fields, uniforms, T)),
  held: physics.toss(fields, uniforms, 1, clamp),
  pairEnergy: joint.map((s) => physics.generalEnergy(pairs, s)),
  unitFields: joint.map((s) => s.map((_, i) => physics.unitField(pairs, s, i))),
  valleys: physics.valleys(physics.allFreeEnergies(machine)),
  bits: states.map((v) => physics.bitsOf(physics.stateOf(v), v.length)),
  random: Array.from({ length: 8 }, toss),
  memory: given.traces.map((traces) => physics.memory(traces)),
}));
"""


@pytest.fixture(scope="module")
def replay(build_hook: ModuleType, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run physics.ts and random.ts on given values."""
    folder = tmp_path_factory.mktemp("physics")
    (folder / "run.mjs").write_text(RUN, encoding="utf-8")
    rolldown = build_hook.PAGE / "node_modules" / "rolldown" / "bin" / "cli.mjs"
    node = build_hook._node()
    for name in ("physics", "random"):
        source = build_hook.PAGE / "src" / f"{name}.ts"
        made = folder / f"{name}.mjs"
        subprocess.run([node, str(rolldown), str(source), "--file", str(made)], check=True, capture_output=True)

    def run(given: dict[str, Any]) -> dict[str, Any]:
        command = [node, str(folder / "run.mjs"), (folder / "physics.mjs").as_uri(), (folder / "random.mjs").as_uri()]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


def splitmix32(seed: int, n: int) -> list[float]:
    """The numbers that random.ts must give, by whole numbers of any size."""
    found, state = [], seed
    for _ in range(n):
        state = (state + 0x9E3779B9) % 2**32
        z = state ^ (state >> 16)
        z = (z ^ 0) * 0x21F0AAAD % 2**32
        z = (z ^ (z >> 15)) * 0x735A2D97 % 2**32
        found.append((z ^ (z >> 15)) / 2**32)
    return found


def steepest(free: np.ndarray, state: int) -> int:
    """The bottom that always stepping to the lowest neighbour leads to."""
    around = [state, *(state ^ (1 << i) for i in range(int(np.log2(len(free)))))]
    lowest = around[int(np.argmin(free[around]))]
    return state if lowest == state else steepest(free, lowest)


def test_the_browsers_physics_is_the_librarys(replay: Any):
    rng = np.random.default_rng(5)
    n_visible, n_hidden, temperatures = 9, 6, [1.0, 0.3, 4.0]
    machine = machines.restricted(
        *(2 * rng.standard_normal(shape) for shape in ((n_visible, n_hidden), n_visible, n_hidden))
    )
    upper = np.triu(rng.standard_normal((7, 7)), 1)
    pairs = machines.general(upper + upper.T, rng.standard_normal(7), 4)
    v, h = rng.integers(0, 2, (20, n_visible)), rng.integers(0, 2, (20, n_hidden))
    joint, fields, uniforms = rng.integers(0, 2, (20, 7)), 3 * rng.standard_normal(9), rng.random(9)
    clamp = [1, None, 0, *[None] * 6]
    said = replay(
        {
            "machine": {"W": machine.W.tolist(), "b": machine.b.tolist(), "c": machine.c.tolist()},
            "pairs": {"J": pairs.J.tolist(), "b": pairs.b.tolist()},
            "states": v.tolist(), "hidden": h.tolist(), "joint": joint.tolist(), "temperatures": temperatures,
            "fields": fields.tolist(), "uniforms": uniforms.tolist(), "clamp": clamp, "seed": 7, "traces": [],
        }
    )  # fmt: skip
    s = np.hstack((v, h))
    np.testing.assert_allclose(said["hiddenFields"], chains.fields(machine, s, np.arange(9, 15)), **EXACT)
    np.testing.assert_allclose(said["visibleFields"], chains.fields(machine, s, np.arange(9)), **EXACT)
    np.testing.assert_allclose(said["energy"], machines.energy(machine, s), **EXACT)
    for T, free, p, toss in zip(temperatures, said["free"], said["p"], said["toss"]):
        hot = machines.tempered(machine, T)
        np.testing.assert_allclose(free, T * machines.free_energy(hot, machines.states(n_visible)), **EXACT)
        np.testing.assert_allclose(p, machines.distribution(hot)[0], **EXACT)
        np.testing.assert_allclose(toss["p"], bernoulli.mean(fields / T), **EXACT)
        assert toss["on"] == (uniforms < np.asarray(toss["p"])).astype(int).tolist()
    assert said["held"]["on"][0] == 1 and said["held"]["on"][2] == 0
    np.testing.assert_allclose(said["pairEnergy"], machines.energy(pairs, joint), **EXACT)
    np.testing.assert_allclose(said["unitFields"], chains.fields(pairs, joint, np.arange(7)), **EXACT)
    assert said["bits"] == v.tolist()
    assert said["random"] == splitmix32(7, 8)

    p, bits = machines.distribution(machine)[0], machines.states(n_visible)
    fits = (bits[:, 0] == 1) & (bits[:, 2] == 0)
    np.testing.assert_allclose(said["clamped"], np.where(fits, p, 0) / p[fits].sum(), **EXACT)
    free = machines.free_energy(machine, bits)
    assert said["valleys"] == [steepest(free, state) for state in range(512)]


def test_the_browser_measures_how_long_a_chain_remembers_as_the_library_does(replay: Any):
    rng = np.random.default_rng(3)
    slow = np.cumsum(rng.standard_normal(400))  # too short for how long it remembers
    steps = rng.standard_normal(4000)
    for k in range(1, len(steps)):
        steps[k] += 0.9 * steps[k - 1]
    flat, several = np.full((30, 1), 2.0), rng.standard_normal((300, 3)) @ rng.standard_normal((3, 3))
    traces = [rng.standard_normal((500, 1)), steps[:, None], slow[:, None], flat, several - several.mean(axis=0)]
    asked = {name: [] for name in ("states", "hidden", "joint", "temperatures", "fields", "uniforms")}
    asked |= {"machine": {"W": [[0.0]], "b": [0.0], "c": [0.0]}, "pairs": {"J": [[0.0]], "b": [0.0]}}
    said = replay({**asked, "clamp": [None], "seed": 1, "traces": [trace.T.tolist() for trace in traces]})
    for trace, found in zip(traces, said["memory"], strict=True):
        expected = mixing(trace)
        assert found["time"] == pytest.approx(expected.time, rel=1e-9) and found["reliable"] == expected.reliable
