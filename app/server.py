"""Serves the API on an open socket: its own, or the one that `darkroom up` keeps open through restarts."""

import asyncio
import signal
import socket
import sys
import time
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from app.contract import logs
from app.contract.settings import Settings
from app.main import create_app

GRACE_S = 10  # for the answers under way, when the process is asked to stop
FIRST_REQUEST_S = 1.0  # a connection that was just opened may be so long without a request
LOOK_AGAIN_S = 0.02


class _Server(uvicorn.Server):
    """Answers who has connected before it stops; uvicorn alone would reset whoever has not sent his request yet."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waiting = [connection for listener in sockets or [] for connection in _accept_all(listener)]
        self._app.state.events.close()  # and who follows a job goes on with another replica
        for server in self.servers:  # at once: who comes from now on is refused and can ask another replica
            server.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        until = time.monotonic() + FIRST_REQUEST_S
        while self._has_silent_connections() and time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(LOOK_AGAIN_S)
        await super().shutdown(sockets)

    def _has_silent_connections(self) -> bool:
        return any(getattr(each, "cycle", self) is None for each in self.server_state.connections)

    def _protocol(self) -> asyncio.Protocol:
        state = {"server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(config=self.config, **state)  # type: ignore[call-arg]


def serve(settings: Settings, listener: socket.socket) -> None:
    logs.set_up(settings.log_format, settings.log_level)
    app = create_app(settings)
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(KeyboardInterrupt, SystemExit):  # the signal comes once more when uvicorn has ended in peace
        _Server(config, app).run(sockets=[listener])


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    connections = []
    with suppress(BlockingIOError):
        while True:
            connections.append(listener.accept()[0])
    return connections


if __name__ == "__main__":
    serve(Settings(), socket.socket(fileno=int(sys.argv[1])))
