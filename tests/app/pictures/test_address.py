"""Pictures by their address, from a small server of our own; the guard has tests of its own."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import httpx
import pytest

from app.courier.guard import Guard
from app.pictures import address
from app.pictures.anatomy import PictureRefused
from app.pictures.inspection import PictureLimits, inspect
from tests.app.test_problems import assert_problem
from tests.picture_files import encoded, scene

pytestmark = pytest.mark.anyio
PNG = encoded(scene())


class Pictures(BaseHTTPRequestHandler):
    stalled = threading.Event()

    def do_GET(self) -> None:
        answers = {"/cat.png": (200, PNG), "/none": (404, b""), "/moved": (302, b""), "/large": (200, bytes(1_100_000))}
        status, content = answers.get(self.path, (200, PNG))
        self.send_response(status)
        self.send_header("content-type", "image/png")
        self.send_header("content-length", str(len(content)))
        self.send_header("location", "/cat.png")
        self.end_headers()
        if self.path == "/slow":
            self.stalled.wait(20)
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        Pictures.stalled.set()
        server.shutdown()


@pytest.fixture
def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def guard(server: ThreadingHTTPServer) -> Guard:
    """Lets us go to our own server."""
    return Guard([ip_network("127.0.0.0/8")], [server.server_port])


async def test_a_picture_is_fetched_with_what_the_server_calls_it(
    url: str, guard: Guard, limits: PictureLimits
) -> None:
    upload = await address.fetch(f"{url}/cat.png", guard, limits)

    assert (upload.content, upload.content_type) == (PNG, "image/png")
    assert inspect(upload, limits).width == 64


@pytest.mark.parametrize(("path", "sentence"), [("none", "404"), ("moved", "302"), ("large", "more than 1000000")])
async def test_what_is_no_picture_at_that_very_address_is_refused(
    url: str, guard: Guard, limits: PictureLimits, path: str, sentence: str
) -> None:
    with pytest.raises(PictureRefused, match=sentence):
        await address.fetch(f"{url}/{path}", guard, limits)


async def test_a_server_that_stalls_is_not_waited_for(
    url: str, guard: Guard, limits: PictureLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "LIMIT_S", 0.2)

    with pytest.raises(PictureRefused):
        await address.fetch(f"{url}/slow", guard, limits)


@pytest.mark.parametrize("private", ["http://127.0.0.1/cat.png", "https://[::1]/cat.png", "https://169.254.169.254/"])
async def test_a_private_address_is_refused(private: str, limits: PictureLimits) -> None:
    with pytest.raises(PictureRefused):
        await address.fetch(private, Guard(), limits)


@pytest.mark.parametrize(
    "wrong", ["http://", "https://:80/", "https://a b/", "https://\ud800/", "https://" + "a" * 300]
)
async def test_what_is_no_address_is_refused(wrong: str, limits: PictureLimits) -> None:
    with pytest.raises(PictureRefused):
        await address.fetch(wrong, Guard(), limits)


def test_a_job_may_name_its_picture_by_the_address_where_a_setting_allows_it(
    http_with: Callable[..., httpx.Client], url: str, server: ThreadingHTTPServer
) -> None:
    allowed = {"egress_allow": "127.0.0.0/8", "egress_ports": str(server.server_port)}
    asked = {"prompt": "a cat", "image": f"{url}/cat.png"}

    taken = http_with(picture_urls=True, **allowed).post("/v1/jobs", json=asked)
    refused = [http_with(**allowed), http_with(picture_urls=True)]

    assert taken.status_code == 202, taken.text
    assert taken.json()["request"]["image"][0]["sha256"] == hashlib.sha256(PNG).hexdigest()
    for http in refused:
        assert assert_problem(http.post("/v1/jobs", json=asked), 422)["error"]["param"] == "image"
