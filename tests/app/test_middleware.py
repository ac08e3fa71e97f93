import socket
from collections.abc import Callable

import httpx

from tests.app.processes import wait_until
from tests.app.test_problems import assert_problem

LARGE = {"prompt": "a" * 200_000}  # too long for a prompt, which is found when all of it is there
HELD = b"POST /v1/jobs HTTP/1.1\r\nHost: darkroom\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n"


def test_a_large_body_is_refused_as_long_as_others_leave_it_no_room(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(max_held_bytes=600_000)

    with socket.create_connection((http.base_url.host, http.base_url.port or 80)) as another:
        another.sendall(HELD + b" " * 500_000)
        wait_until(lambda: http.post("/v1/jobs", json=LARGE).status_code == 503)
        refused, small = http.post("/v1/jobs", json=LARGE), http.post("/v1/jobs", json={"prompt": "a cat"})

    assert int(refused.headers["retry-after"]) > 0
    assert_problem(refused, 503)
    assert small.status_code == 202
    wait_until(lambda: http.post("/v1/jobs", json=LARGE).status_code == 422)
