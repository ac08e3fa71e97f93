import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

NAMES = ("queue", "load", "encode", "denoise", "decode", "save")


class Stage(NamedTuple):
    """A part of a job's way; its times are in seconds since the epoch."""

    name: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Stages:
    """How long a job waited, and how long each part of its way through the worker took; each begins as one ends.

    `encode` lasts until the end of the first step: it is the first sign of life that a pipeline gives. Of one that
    tells no steps `denoise` is the whole run.
    """

    def __init__(self, queued_at: datetime | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._epoch = time.time() - clock()
        self._began = self._now()
        self._stepped_at: float | None = None
        self.ended: list[Stage] = []
        self.steps_s: list[float] = []  # from one to the next
        if queued_at:  # by another machine's clock
            self.ended.append(Stage("queue", min(queued_at.timestamp(), self._began), self._began))

    @property
    def seconds(self) -> dict[str, float]:
        """By the names of those that have ended."""
        return {stage.name: stage.seconds for stage in self.ended}

    def end(self, name: str) -> None:
        self._end(name, self._now())

    def step(self) -> None:
        """Called in the engine's thread at the end of each step."""
        now = self._now()
        if self._stepped_at is None:
            self._end("encode", now)
        else:
            self.steps_s.append(now - self._stepped_at)
        self._stepped_at = now

    def end_run(self) -> None:
        """Called when the pictures are on the host."""
        if self._stepped_at is None:
            self.end("denoise")
        else:
            self._end("denoise", self._stepped_at)
            self.end("decode")

    def _end(self, name: str, at: float) -> None:
        self.ended.append(Stage(name, self._began, at))
        self._began = at

    def _now(self) -> float:
        return self._epoch + self._clock()
