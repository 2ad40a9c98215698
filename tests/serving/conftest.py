"""A served world, and stores in both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _postgres import server
from _world import recommender
from fastapi.testclient import TestClient

from harmonium import Recommender
from harmonium.serving.application import create
from harmonium.serving.settings import Settings
from harmonium.serving.store import Store, open_database

Serve = Callable[..., TestClient]


@pytest.fixture(scope="session")
def trained() -> Recommender:
    """A recommender of the small world."""
    return recommender()


@pytest.fixture(scope="session")
def model(trained: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file. Tests that change it copy it first."""
    path = tmp_path_factory.mktemp("model") / "films.harmonium"
    trained.save(path)
    return path


@pytest.fixture
def serve(model: Path, tmp_path: Path) -> Iterator[Serve]:
    """What serves the model in this process with some settings."""
    opened: list[TestClient] = []

    def start(**settings: Any) -> TestClient:
        settings = {"model": model, "store": f"sqlite:///{tmp_path / 'store.db'}", "rate_limit": 0, **settings}
        client = TestClient(create(Settings(**settings)), raise_server_exceptions=False)
        opened.append(client)
        return client.__enter__()

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def api(serve: Serve) -> TestClient:
    """A service with the defaults."""
    return serve()


@pytest.fixture
def keyed(api: TestClient) -> TestClient:
    """The same, with a key in every request."""
    api.headers["Authorization"] = f"Bearer {api.app.state.service.keys.create('tests')}"  # pyright: ignore
    return api


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store in either database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'people.db'}"
    url = request.getfixturevalue("postgres")
    database = open_database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("TRUNCATE users, ratings, events, keys")
    database.close()
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """The store behind it."""
    database = open_database(store_url)
    yield Store(database)
    database.close()
