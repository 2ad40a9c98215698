"""A real service with a small model, and a browser; both for the whole session."""

import importlib.util
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harmonium.data import Ratings, load, random_split
from harmonium.evaluation.ratings import evaluate
from harmonium.recommending.recommender import Recommender

ROOT = Path(__file__).parents[2]
N_EPOCHS = 3
BINS = 20
START = 60  # seconds for the service to answer


def _build_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def build_hook() -> ModuleType:
    """The build hook as a module."""
    return _build_hook()


@pytest.fixture(scope="session")
def built(build_hook: ModuleType) -> Path:
    """The folder of the built page, with the tools of its tests beside."""
    try:
        build_hook.check()
        build_hook.build(report=lambda said: None)
    except build_hook.PageError as error:
        pytest.skip(str(error))
    return build_hook.STATIC


def record(recommender: Recommender, known: Ratings, asked: Ratings) -> dict[str, Any]:
    """What a model file keeps of its training and of how good it is."""
    events = [event.to_dict() for event in recommender.machine.history_]
    edges = [k / BINS for k in range(BINS + 1)]
    counts = [max(0, 40 - (k - 9) ** 2) for k in range(BINS)]
    histogram = {"edges": edges, "counts": counts, "quantiles": [k / 100 for k in range(101)]}
    return {
        "events": events,
        "seconds": 1.0,
        "evaluation": {"protocol": "a tenth held out", **evaluate(recommender.machine, known, asked).to_dict()},
        "free_energies": {
            "n_users": sum(counts), "free_energy_per_rating": histogram, "surprise_per_rating": histogram,
        },
        "terms": "for tests",
    }  # fmt: skip


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recommender of the bundled films."""
    films = load("movielens-small")
    known, asked = random_split(films.ratings, 0.1, 0)
    assert films.titles is not None
    recommender = Recommender.fit(known, films.titles, n_hidden=16, n_epochs=N_EPOCHS)
    recommender.record = record(recommender, known, asked)
    path = tmp_path_factory.mktemp("page") / "films.harmonium"
    recommender.save(path)
    return path


@pytest.fixture(scope="session")
def address(model_file: Path, built: Path) -> Iterator[str]:
    """Address of a service that serves the page."""
    import uvicorn
    from threadpoolctl import threadpool_limits

    from harmonium.serving.application import create
    from harmonium.serving.settings import Settings

    store = f"sqlite:///{model_file.parent / 'store.db'}"
    app = create(Settings(model=model_file, store=store, rate_limit=0))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    limits = threadpool_limits(1)  # small products are slow where BLAS shares them out on a busy machine
    thread.start()
    deadline = time.monotonic() + START
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started, "the service did not start"
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(START)
    limits.restore_original_limits()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, with a profile of its own."""
    from _driving import ARGUMENTS, CHROMIUM
    from playwright.sync_api import sync_playwright

    chromium = next((path for path in CHROMIUM if Path(path).is_file()), shutil.which("chromium"))
    if chromium is None:
        pytest.skip("there is no chromium; on Debian and Ubuntu: apt install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS, headless=True)
        yield opened
        opened.close()
