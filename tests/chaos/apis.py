"""Processes of the API, and a client that spreads requests over them as a load balancer does."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.chaos.scene import Scene

LISTENING = re.compile(rb"listening on (http://\S+:(\d+))")
TIMEOUT_S = 30.0


class RequestFailed(Exception):
    """Raised when a request gets no good answer."""


class Api:
    """One process on a port of its own, which it keeps when it is restarted."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._start(0)

    def _start(self, port: int) -> None:
        command = [sys.executable, "-m", "app.cli", "api", "--port", str(port)]
        self.process = self._scene.run(command, stdout=subprocess.PIPE)
        assert self.process.stdout
        for line in self.process.stdout:
            if found := LISTENING.search(line):
                self.url, self._port = found[1].decode(), int(found[2])
                return
        raise RuntimeError("An API process has ended at its start.")

    async def restart(self) -> None:
        await self.stop()
        await asyncio.to_thread(self._start, self._port)

    async def stop(self) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.communicate, timeout=TIMEOUT_S)


class Balancer:
    """A connection for each request, to the APIs in turn; one that refuses it is passed over, no other fault is."""

    def __init__(self, apis: list[Api], client: httpx.AsyncClient) -> None:
        self.requests = 0
        self.failures: list[str] = []
        self._apis = apis
        self._client = client

    async def ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Raises RequestFailed, and remembers it."""
        self.requests += 1
        first = self.requests % len(self._apis)
        reason = "everybody refuses the connection"
        for api in self._apis[first:] + self._apis[:first]:
            try:
                answer = await self._client.request(method, api.url + path, **request)
            except httpx.ConnectError:
                continue
            except httpx.HTTPError as error:
                reason = repr(error)
                break
            if answer.is_success:
                return dict(answer.json())
            reason = answer.text
            break
        self.failures.append(f"{method} {path}: {reason}")
        raise RequestFailed(self.failures[-1])


@asynccontextmanager
async def serving(scene: Scene, number: int) -> AsyncIterator[tuple[list[Api], Balancer]]:
    apis = [Api(scene) for _ in range(number)]
    alone = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=alone, timeout=TIMEOUT_S, trust_env=False) as client:
        yield apis, Balancer(apis, client)
    for api in apis:
        await api.stop()
