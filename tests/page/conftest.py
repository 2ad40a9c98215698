"""A real service with a small model, and a browser; both for the whole session."""

import importlib.util
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars
import pytest

from harmonium.cli.recording import held_out, measured, record
from harmonium.data import Scale, Titles, load, read_ratings
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.recommender import Recommender

ROOT = Path(__file__).parents[2]
N_EPOCHS = 3
HELD_OUT = 0.1
STRANGE = (
    "<img src=x onerror=alert(1)>", "<script>alert(2)</script>", "\u202e<b>turned</b>", "{{7*7}} ${7*7}",
    "\"'><svg/onload=alert(3)>", "Ω ≈ ç √ 影 🎬", "javascript:alert(4)", "a\u0301\u0301\u0301 & b",
)  # fmt: skip
START = 60  # seconds for the service to answer


def _build_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _missing(what: str) -> None:
    """Skip where somebody tries the tests at home, fail where nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


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
        _missing(str(error))
    return build_hook.STATIC


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recommender of the bundled films."""
    films = load("movielens-small")
    known, asked = held_out(films.ratings, HELD_OUT)
    assert films.titles is not None
    machine = RatingRBM(n_hidden=16, n_epochs=N_EPOCHS, random_state=0).fit(known)
    kept = record(machine, known, measured(machine, known, asked), HELD_OUT, 1.0, terms=films.licence)
    path = tmp_path_factory.mktemp("page") / "films.harmonium"
    Recommender(machine, known.items, known.scale, films.titles, record=kept).with_choices(known).save(path)
    return path


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """Run a service of this model with the page, at the address it gives."""
    import uvicorn
    from threadpoolctl import threadpool_limits

    from harmonium.serving.application import create
    from harmonium.serving.settings import Settings

    app = create(Settings(model=model, store=f"sqlite:///{model.with_suffix('.db')}", rate_limit=0))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    with threadpool_limits(1):  # small products are slow where BLAS shares them out on a busy machine
        thread.start()
        deadline = time.monotonic() + START
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started, "the service did not start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join(START)


@pytest.fixture(scope="session")
def address(model_file: Path, built: Path) -> Iterator[str]:
    """Address of a service of the bundled films."""
    with serving(model_file) as found:
        yield found


@pytest.fixture(scope="session")
def choices_address(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service whose model learned from what people chose."""
    films = load("movielens-small")
    path = tmp_path_factory.mktemp("choices") / "choices.harmonium"
    ChoiceRecommender.fit(films.ratings.interactions(at_least=4), films.titles, validation=0.1).save(path)
    with serving(path) as found:
        yield found


@pytest.fixture(scope="session")
def strange_address(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service whose few items have no years, and titles that would do harm if they were taken for HTML."""
    ids = [f"{k}'; drop table" for k in range(len(STRANGE))]
    rng = np.random.default_rng(0)
    rows = [(f"u{user}", item, float(rng.integers(1, 6))) for user in range(30) for item in ids if rng.random() < 0.7]
    users, items, given = zip(*rows)
    table = polars.DataFrame({"user": users, "item": items, "rating": given})
    ratings = read_ratings(table, scale=Scale.stars())
    titles = Titles.from_rows(ids, STRANGE, [STRANGE[:2]] * len(ids)).aligned_to(ratings.items)
    path = tmp_path_factory.mktemp("strange") / "strange.harmonium"
    Recommender.fit(ratings, titles, n_hidden=4, n_epochs=1).save(path)
    with serving(path) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, with a profile of its own; ends with the module, lest its event loop be in others' way."""
    from _driving import ARGUMENTS, CHROMIUM
    from playwright.sync_api import sync_playwright

    chromium = next((path for path in CHROMIUM if Path(path).is_file()), shutil.which("chromium"))
    if chromium is None:
        _missing("there is no chromium; on Debian and Ubuntu: apt install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS, headless=True)
        yield opened
        opened.close()
