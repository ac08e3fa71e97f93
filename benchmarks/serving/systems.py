"""The ways to serve: each takes a request and returns the future of its picture."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.serving.stopwatch import Stopwatch
from benchmarks.serving.workload import Request
from worker.engine import Engine


class System(Protocol):
    """Something that serves."""

    name: str

    def develop(self, request: Request) -> "Future[Tensor]": ...

    def cpu_s(self) -> float:
        """Returns the processor seconds used until now."""
        ...

    def close(self) -> None: ...


@torch.no_grad()
def develop_alike(pipeline: Any, requests: Sequence[Request]) -> list[Tensor]:
    """Calls the stock pipeline once for requests of equal settings."""
    first, *_ = requests
    prompts = [request.prompt for request in requests]
    generators = [request.arguments["generator"] for request in requests]
    arguments = {**first.arguments, "prompt": prompts, "generator": generators}
    return list(pipeline(**arguments).images.float().cpu())


class Stock:
    """The stock pipeline behind a queue: up to `limit` waiting requests of equal settings in one call."""

    def __init__(self, pipeline: Any, name: str, limit: int) -> None:
        self.name = name
        self._pipeline = pipeline
        self._limit = limit
        self._waiting: list[tuple[Request, Future[Tensor]]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def develop(self, request: Request) -> "Future[Tensor]":
        future: Future[Tensor] = Future()
        with self._changed:
            self._waiting.append((request, future))
            self._changed.notify()
        return future

    def cpu_s(self) -> float:
        return time.process_time()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            pictures = develop_alike(self._pipeline, [request for request, _ in batch])
            for (_, future), picture in zip(batch, pictures, strict=True):
                future.set_result(picture)

    def _next(self) -> list[tuple[Request, Future[Tensor]]]:
        """Waits for the oldest request and takes those with it that are set alike."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            alike = [each for each in self._waiting if each[0].settings == self._waiting[0][0].settings]
            batch = alike[: self._limit]
            self._waiting = [each for each in self._waiting if each not in batch]
        return batch


class Together:
    """Darkroom's engine."""

    name = "engine"

    def __init__(self, pipeline: Any, max_rows: int) -> None:
        self.stopwatch = Stopwatch(pipeline)
        self.join_delays: list[int] = []  # denoiser forwards that a request sat through before its own first
        self._pipeline = pipeline
        self._engine = Engine(max_rows=max_rows, device=pipeline.device)
        self._engine.adopt(pipeline)

    def develop(self, request: Request) -> "Future[Tensor]":
        picture: Future[Tensor] = Future()
        run = self._engine.submit(self._pipeline, on_step=self._first_step(), **request.arguments)
        run.add_done_callback(lambda done: picture.set_result(done.result().images[0]))
        return picture

    def cpu_s(self) -> float:
        return time.process_time()

    def close(self) -> None:
        self._engine.close()
        self.stopwatch.release()

    def _first_step(self) -> Callable[[int, int, Any], None]:
        before = self.stopwatch.denoiser_forwards

        def note(step: int, _total: int, _latents: Any) -> None:
            if step == 1:
                self.join_delays.append(self.stopwatch.denoiser_forwards - before - 1)

        return note
