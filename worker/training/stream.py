"""An endless row of drawn scenes seen through a sliding window: each is drawn once, used some times, then forgotten."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from worker.training.chance import chance_for
from worker.training.drawing import draw
from worker.training.scenes import Scene, Variety, sample_scene

BLOCK = 64


@dataclass(frozen=True)
class Drawn:
    """BLOCK scenes with their pictures."""

    scenes: list[Scene]
    images: Tensor  # uint8 (BLOCK, 3, H, W)
    covers: Tensor  # uint8 (BLOCK, 1, H, W): 255 where a thing is


def draw_scenes(scenes: Sequence[Scene], pixels: int) -> Drawn:
    pictures = [draw(scene, pixels) for scene in scenes]
    images = torch.from_numpy(np.stack([np.asarray(picture.image) for picture in pictures])).permute(0, 3, 1, 2)
    covers = torch.from_numpy(np.stack([np.asarray(picture.cover) for picture in pictures]))[:, None]
    return Drawn(list(scenes), images.contiguous(), covers)


def draw_block(variety: Variety, name: str, pixels: int) -> Drawn:
    """The block of this name: always the same."""
    chance = chance_for(str(name))
    return draw_scenes([sample_scene(variety, chance.getrandbits(40)) for _ in range(BLOCK)], pixels)


def to_unit(images: Tensor) -> Tensor:
    """Bytes to floats from -1 to 1."""
    return images.float() / 127.5 - 1


@dataclass(frozen=True)
class Pace:
    """Blocks at the start, steps between two new blocks, blocks in the window."""

    start: int
    every: int
    size: int


Kept = TypeVar("Kept")


class Stream(Generic[Kept]):
    """What it holds depends on the step alone, so a resumed run finds what the killed one had."""

    def __init__(
        self,
        name: str,
        variety_at: Callable[[int], Variety],
        keep: Callable[[Drawn], Kept],
        pace: Pace,
        pixels: int,
        drawers: Executor | None = None,
    ) -> None:
        self.name, self.variety_at, self.keep, self.pace, self.pixels = name, variety_at, keep, pace, pixels
        self.drawers = drawers
        self.window: deque[Kept] = deque(maxlen=pace.size)
        self._next = 0
        self._ahead: dict[int, Future[Drawn]] = {}

    def advance(self, step: int) -> None:
        """Takes in the blocks that are due at this step."""
        due = self.pace.start + step // self.pace.every
        self._next = max(self._next, due - self.pace.size)
        if self.drawers:
            for number in range(self._next, due + 32):
                if number not in self._ahead:
                    self._ahead[number] = self.drawers.submit(draw_block, *self._block(number))
        while self._next < due:
            ahead = self._ahead.pop(self._next, None)
            self.window.append(self.keep(ahead.result() if ahead else draw_block(*self._block(self._next))))
            self._next += 1

    def choose(self, count: int, chance: random.Random) -> list[tuple[Kept, int]]:
        """Blocks and indices within them."""
        return [(chance.choice(self.window), chance.randrange(BLOCK)) for _ in range(count)]

    def _block(self, number: int) -> tuple[Variety, str, int]:
        first_used = max(0, (number - self.pace.start + 1) * self.pace.every)
        return self.variety_at(first_used), f"{self.name}/{number}", self.pixels
