"""A receiver of webhooks, over real HTTP, that answers as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG, CLOSE = "hang", "close"
Answer = int | str | tuple[int, dict[str, str]]


@dataclass
class Heard:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """Gives the answers one after the other, and the last one for ever."""

    answers: list[Answer] = field(default_factory=lambda: [200])
    heard: list[Heard] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    host: str = "127.0.0.1"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Server(ThreadingHTTPServer):
    request_queue_size = 256


@contextmanager
def receiving(*answers: Answer, host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """A receiver at this address; port 0: any that is free."""
    receiver = Receiver(list(answers) or [200], host=host)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.next_answer()
            receiver.heard.append(Heard(self.path, headers, body, time.time()))
            if answer == HANG:
                receiver.over.wait()
            if isinstance(answer, str):
                self.close_connection = True
                return
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in {"Content-Length": "2", **more}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    with _Server((host, port), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            server.shutdown()
            thread.join()
