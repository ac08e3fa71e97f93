import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from app.contract.unstartable import Unstartable
from worker.dials import server
from worker.dials.server import serving


def yes() -> bool:
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_is_registered_is_told_as_prometheus_reads_it(host: str) -> None:
    registry = CollectorRegistry()
    Counter("darkroom_things", "Things.", registry=registry).inc(3)

    with serving(host, 0, registry, is_alive=yes, is_ready=yes) as port:
        told = httpx.get(f"http://{'[::1]' if ':' in host else host}:{port}/metrics")

    assert told.headers["content-type"].startswith("text/plain; version=")
    assert told.text.splitlines() == [
        "# HELP darkroom_things_total Things.",
        "# TYPE darkroom_things_total counter",
        "darkroom_things_total 3.0",
    ]


def test_life_and_readiness_are_asked_for_each_time() -> None:
    is_ready = is_alive = True

    with serving("127.0.0.1", 0, CollectorRegistry(), is_alive=lambda: is_alive, is_ready=lambda: is_ready) as port:
        url = f"http://127.0.0.1:{port}"
        good = [httpx.get(url + path).status_code for path in ("/livez", "/readyz", "/other")]
        is_ready = False
        warming = [httpx.get(url + path).status_code for path in ("/livez", "/readyz")]
        is_alive = False
        stuck = httpx.get(url + "/livez").status_code

    assert (good, warming, stuck) == ([200, 200, 404], [200, 503], 503)


def test_who_says_nothing_keeps_nobody_waiting_and_leaves_no_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with serving("127.0.0.1", 0, CollectorRegistry(), is_alive=yes, is_ready=yes) as port:
        silent = [socket.create_connection(("127.0.0.1", port or 0)) for _ in range(8)]
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: httpx.get(f"http://127.0.0.1:{port}/livez", timeout=4), range(8)))
        given_up = [connection.recv(1) for connection in silent]
        for connection in silent:
            connection.close()

    assert {answer.status_code for answer in answers} == {200}
    assert set(given_up) == {b""}
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_keeps_it_from_starting_and_the_reason_is_said() -> None:
    with (
        serving("127.0.0.1", 0, CollectorRegistry(), is_alive=yes, is_ready=yes) as port,
        pytest.raises(Unstartable, match=rf"^The metrics cannot be served on 127.0.0.1:{port}: .*in use"),
        serving("127.0.0.1", port, CollectorRegistry(), is_alive=yes, is_ready=yes),
    ):
        pass


def test_without_a_port_nothing_is_served_and_when_it_is_over_nothing_any_more() -> None:
    with serving("127.0.0.1", None, CollectorRegistry(), is_alive=yes, is_ready=yes) as port:
        assert port is None
    with serving("127.0.0.1", 0, CollectorRegistry(), is_alive=yes, is_ready=yes) as port:
        pass

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/livez")
