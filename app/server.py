"""Serves the API on an open socket: its own, or the one that `darkroom up` keeps open through restarts."""

import socket
import sys
from contextlib import suppress

import uvicorn

from app.contract.settings import Settings
from app.main import create_app

GRACE_S = 10  # for the answers under way, when the process is asked to stop


def serve(settings: Settings, listener: socket.socket) -> None:
    config = uvicorn.Config(
        create_app(settings), log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S
    )
    with suppress(KeyboardInterrupt):  # Ctrl-C comes once more when uvicorn has ended in peace
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve(Settings(), socket.socket(fileno=int(sys.argv[1])))
