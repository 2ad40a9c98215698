"""Several processes of one service: they start together, are replaced when they die, and end with it."""

import os
import signal
import time

import httpx2
import pytest
from _world import SECONDS, running

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def children(pid: int) -> list[int]:
    """Processes that a process has forked."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_alive(pid: int) -> bool:
    """Whether a process still runs."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, what: str) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.02)


def test_a_process_that_dies_is_replaced_and_all_end_together(model, tmp_path):
    with running(model, f"sqlite:///{tmp_path / 'store.db'}", "--workers", "3") as service:
        first = children(service.process.pid)
        assert len(first) == 3
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(children(service.process.pid)) - {first[0]}) == 3, "another process")
        assert httpx2.post(f"{service.address}/api/v1/recommend", json={}).status_code == 200
        last = children(service.process.pid)
        service.process.terminate()
        assert service.process.wait(SECONDS) == 0
        until(lambda: not any(map(is_alive, last)), "the end of all")


def test_processes_end_when_the_one_that_forked_them_is_killed(model, tmp_path):
    with running(model, f"sqlite:///{tmp_path / 'store.db'}", "--workers", "2") as service:
        workers = children(service.process.pid)
        service.process.kill()
        until(lambda: not any(map(is_alive, workers)), "the end of all")


def test_each_process_tells_the_figures_of_all(model, tmp_path):
    n = 20
    with running(model, f"sqlite:///{tmp_path / 'store.db'}", "--workers", "2") as service:
        for _ in range(n):  # each on a connection of its own, for either process
            assert httpx2.get(f"{service.address}/healthz", headers={"Connection": "close"}).status_code == 200
        wanted = f'harmonium_requests_total{{method="GET",route="/healthz",status="200"}} {n}.0'
        for _ in range(4):
            assert wanted in httpx2.get(f"{service.address}/metrics").text


def test_every_process_goes_over_to_a_new_model(model, tmp_path):
    place = tmp_path / "films.harmonium"
    place.write_bytes(model.read_bytes())
    with running(place, f"sqlite:///{tmp_path / 'store.db'}", "--workers", "2") as service:
        new = tmp_path / "new"
        new.write_bytes(b"no model")
        os.replace(new, place)

        def models() -> set[str]:
            return {httpx2.get(f"{service.address}/readyz").json()["model"][:30] for _ in range(8)}

        until(lambda: all("refused" in one or "the file" in one for one in models()), "both processes to refuse it")
        assert httpx2.post(f"{service.address}/api/v1/recommend", json={}).status_code == 200
