import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

THINGS = ("cat", "dog", "fish", "tree", "rocket", "house", "star", "boat")
COLOURS = ("red", "green", "blue", "yellow", "white")
EQUAL = ((20, 5.0),)
MIXED = tuple(itertools.product((8, 15, 30), (1.0, 5.0, 7.5)))  # steps, guidance
MEAN_STEPS = 53 / 3  # of both, nearly


@dataclass(frozen=True)
class Request:
    """One picture that is asked for."""

    prompt: str
    num_inference_steps: int
    guidance_scale: float
    seed: int

    @property
    def settings(self) -> tuple[int, float]:
        """What a static batch of stock diffusers has in common."""
        return self.num_inference_steps, self.guidance_scale

    @property
    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with."""
        return {
            "prompt": self.prompt,
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "generator": torch.Generator().manual_seed(self.seed),
            "output_type": "pt",
        }


@dataclass(frozen=True)
class Workload:
    """How requests differ and how they come: 16 clients that wait for each picture, or at random moments."""

    name: str
    settings: tuple[tuple[int, float], ...]
    load: float | None = None  # arrivals in multiples of what serving one at a time can do; None is the closed loop

    def requests(self, count: int) -> Iterator[Request]:
        """Yields the same requests each time: every settings equally often, in an order that is shuffled once."""
        chance = random.Random(7)  # noqa: S311 - the same requests each time
        settings = [self.settings[number % len(self.settings)] for number in range(count)]
        chance.shuffle(settings)
        for seed, (steps, guidance) in enumerate(settings):
            prompt = f"a {COLOURS[seed % len(COLOURS)]} {THINGS[seed % len(THINGS)]}"
            yield Request(prompt, steps, guidance, seed)


WORKLOADS = (
    Workload("A equal", EQUAL),
    Workload("B mixed", MIXED),
    Workload("C mixed, Poisson 0.8", MIXED, load=0.8),
    Workload("C mixed, Poisson 3", MIXED, load=3.0),
)
