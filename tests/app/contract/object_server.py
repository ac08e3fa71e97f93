"""A server that speaks as much of S3, Google's and Azure's protocols as one storage needs; it checks no signatures."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Stored:
    content: bytes
    content_type: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class ObjectServer(ThreadingHTTPServer):
    """What it holds, by bucket and key, and which requests it was sent; Azure's paths begin with an account."""

    def __init__(self, account: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.account = account
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.objects: dict[str, Stored] = {}
        self.requests: list[str] = []
        self.refusals = 0  # of the next requests so many are refused
        self.refusal = 503

    def listing(self, bucket: str, prefix: str) -> str:
        """In both of the forms that there are: S3's, which Google speaks too, and Azure's."""
        contents, blobs = "", ""
        for name, stored in self.objects.items():
            key = name.removeprefix(f"{bucket}/")
            if key.startswith(prefix):
                size, moment = len(stored.content), stored.at.isoformat()
                contents += (
                    f"<Contents><Key>{key}</Key><LastModified>{moment}</LastModified><Size>{size}</Size></Contents>"
                )
                properties = (
                    f"<Last-Modified>{_http_date(stored.at)}</Last-Modified><Content-Length>{size}</Content-Length>"
                )
                properties += f"<Content-Type>{stored.content_type}</Content-Type>"
                blobs += f"<Blob><Name>{key}</Name><Properties>{properties}</Properties></Blob>"
        return f"<List><IsTruncated>false</IsTruncated>{contents}<Blobs>{blobs}</Blobs></List>"


@contextmanager
def object_server(account: str = "") -> Iterator[ObjectServer]:
    with ObjectServer(account) as server:
        threading.Thread(target=server.serve_forever, args=[0.02]).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectServer

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if is_refused := self.server.refusals > 0:
            self.server.refusals -= 1
            self._body()
            self._answer(self.server.refusal)
        return not is_refused

    def do_PUT(self) -> None:
        content, headers = self._body(), self.headers
        content_type = headers.get("x-ms-blob-content-type") or headers.get("Content-Type") or ""
        self.server.objects[self._key(self.path)] = Stored(content, content_type)
        self._answer(201, ETag="1", Last_Modified=_http_date(datetime.now(UTC)))

    def do_GET(self) -> None:
        self._body()
        key, query = self._key(self.path), parse_qs(urlsplit(self.path).query)
        if "list-type" in query or query.get("comp") == ["list"]:
            self._answer(200, self.server.listing(key, query.get("prefix", [""])[0]))
        elif stored := self.server.objects.get(key):
            self._answer(200, stored.content, stored.content_type, ETag="1", Last_Modified=_http_date(stored.at))
        else:
            self._answer(404, "<Error><Code>NoSuchKey</Code></Error>")

    def do_DELETE(self) -> None:
        self._body()
        self._delete(self._key(self.path))
        self._answer(204)

    def do_POST(self) -> None:
        """Deletes many at once: S3 has a list of them, Azure a request for each within the request."""
        asked, bucket = self._body().decode(), self._key(self.path)
        parts = deleted = ""
        for key in re.findall(r"<Key>(.*?)</Key>", asked):
            self._delete(f"{bucket}/{key}")
            deleted += f"<Deleted><Key>{key}</Key></Deleted>"
        for number, path in re.findall(r"Content-ID: (\d+)\s+DELETE (\S+)", asked):
            self._delete(self._key(path))
            head = f"--parts\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
            parts += f"{head}HTTP/1.1 202 Accepted\r\n\r\n\r\n"
        if parts:
            self._answer(202, f"{parts}--parts--\r\n", "multipart/mixed; boundary=parts")
        else:
            self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>")

    def _key(self, path: str) -> str:
        return unquote(urlsplit(path).path).removeprefix(self.server.account).strip("/")

    def _delete(self, key: str) -> None:
        self.server.objects.pop(key, None)

    def _body(self) -> bytes:
        self.server.requests.append(f"{self.command} {self.path}")
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(
        self, status: int, content: bytes | str = b"", content_type: str = "application/xml", **more: str
    ) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for name, value in {"Content-Length": len(content), "Content-Type": content_type, **more}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words: Any) -> None: ...


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
