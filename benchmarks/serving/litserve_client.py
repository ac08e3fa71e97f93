import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

import httpx
import psutil
import torch
from torch import Tensor

from benchmarks.serving.workload import Request

READY_WITHIN_S = 300


class LitServe:
    """A LitServe server in processes of its own, asked over HTTP."""

    name = "LitServe"

    def __init__(self, model: str, device: str, dtype: str, limit: int, clients: int) -> None:
        port = _free_port()
        options = {"model": model, "device": device, "dtype": dtype, "port": port, "limit": limit}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = subprocess.Popen([sys.executable, "-m", "benchmarks.serving.litserve_server", *words])
        self._pool = ThreadPoolExecutor(clients)
        limits = httpx.Limits(max_connections=clients)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600, limits=limits, trust_env=False)
        self._wait_until_ready()

    def develop(self, request: Request) -> "Future[Tensor]":
        return self._pool.submit(self._ask, request)

    def cpu_s(self) -> float:
        server = psutil.Process(self._process.pid)
        times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
        return time.process_time() + sum(each.user + each.system for each in times)

    def close(self) -> None:
        self._http.close()
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        self._process.wait(30)
        for child in children:
            if child.is_running():
                child.kill()

    def _ask(self, request: Request) -> Tensor:
        answer = self._http.post("/predict", json=asdict(request)).raise_for_status()
        flat = torch.frombuffer(bytearray(answer.content), dtype=torch.float32)
        side = round((len(flat) / 3) ** 0.5)
        return flat.reshape(3, side, side)

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if self._http.get("/health").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise RuntimeError("LitServe did not start.")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
