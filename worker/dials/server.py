"""/metrics for Prometheus; /livez and /readyz for whoever keeps the process running, which ask nobody else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, disable_created_metrics, make_wsgi_app

from app.contract.unstartable import Unstartable

SILENCE_S = 5.0  # after which a connection is given up
LOOK_S = 0.1  # how long the end of the server may take to be seen

Check = Callable[[], bool]


@contextmanager
def serving(
    host: str, port: int | None, registry: CollectorRegistry, *, is_alive: Check, is_ready: Check
) -> Iterator[int | None]:
    """Answers in threads of its own until the context ends; gives the port, and without one serves nothing.

    Raises Unstartable.
    """
    if port is None:
        yield None
        return
    disable_created_metrics()  # a series beside each that nobody asks for
    answers = {"/metrics": make_wsgi_app(registry), "/livez": _probe(is_alive), "/readyz": _probe(is_ready)}

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        return answers.get(environ["PATH_INFO"], _nothing)(environ, start_response)

    try:
        server = make_server(host, port, application, _Server, _Handler)
    except (OSError, OverflowError) as error:
        raise Unstartable(f"The metrics cannot be served on {host}:{port}: {error}.") from error
    with server:
        threading.Thread(target=server.serve_forever, args=[LOOK_S], name="dials", daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, handler)

    def handle_error(self, *_args: Any) -> None:
        """Prints nothing for a client that is silent or gone."""


class _Handler(WSGIRequestHandler):
    timeout = SILENCE_S

    def log_message(self, *_args: Any) -> None:
        """Writes no line for each scrape."""


def _probe(holds: Check) -> Any:
    def answer(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        status = "200 OK" if holds() else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain")])
        return [status.encode()]

    return answer


def _nothing(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"404 Not Found"]
