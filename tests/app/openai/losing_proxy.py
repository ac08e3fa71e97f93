from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Literal

import httpx

Loss = Literal["cut", "503", "timeout"]


@dataclass(frozen=True)
class LosingProxy:
    url: str
    has_lost: Event = field(default_factory=Event)


@contextmanager
def losing_proxy(upstream: str, loss: Loss) -> Iterator[LosingProxy]:
    """A proxy that loses the first answer: it hangs up, or says 503, or has no patience and says 504."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_first = not proxy.has_lost.is_set()
            patience_s = 0.3 if is_first and loss == "timeout" else 60
            with suppress(httpx.ReadTimeout), httpx.Client(trust_env=False, timeout=patience_s) as client:
                answer = client.post(upstream + self.path, content=body, headers=dict(self.headers))
                if not is_first:
                    self._answer(answer.status_code, answer.content)
            if is_first:
                proxy.has_lost.set()
                if loss != "cut":
                    self._answer(503 if loss == "503" else 504, b"")
            self.close_connection = True

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        proxy = LosingProxy(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()
