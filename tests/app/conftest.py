import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from app.contract.settings import Settings
from app.listener import address_of, listen
from app.main import create_app


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The API over real HTTP, on a free port."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield address_of(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the service keeps its pictures."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="session")
def service(redis_server: str, images: Path) -> Iterator[str]:
    with serving(Settings(redis_url=redis_server, storage_url=images.as_uri())) as url:
        yield url


@pytest.fixture
def http(service: str, redis_url: str) -> Iterator[httpx.Client]:  # noqa: ARG001 - an empty Redis
    """A client of the service; it has no jobs yet."""
    with httpx.Client(base_url=service, trust_env=False) as client:
        yield client


@pytest.fixture
def http_with(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., httpx.Client]]:
    """Starts a service with settings of its own and gives its client."""
    with contextlib.ExitStack() as stack:

        def start(**settings: object) -> httpx.Client:
            given = {"redis_url": redis_url, "state_dir": tmp_path, **settings}
            url = stack.enter_context(serving(Settings.model_validate(given)))
            return stack.enter_context(httpx.Client(base_url=url, trust_env=False))

        yield start
