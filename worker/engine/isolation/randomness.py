import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

States = list[torch.Tensor]

_one_at_a_time = threading.Lock()  # of the engines in this process
_swap = threading.Lock()  # held for microseconds: who submits never waits for a run
_outside: States = []  # everybody else's states, while a run has the generators


def branch_off() -> States:
    """Returns the global generators' states for a run, and moves them on, so that the next run gets others."""
    with _swap:
        states = _outside or _read()
        branch, states[:] = [*states], map(_moved_on, states, ("cpu", "cuda"))
        if not _outside:
            _write(states)
        return branch


def seeded(seed: int) -> States:
    """Returns the states that `torch.manual_seed` sets, and leaves the global generators alone."""
    devices = ("cpu", "cuda")[: 1 + torch.cuda.is_initialized()]
    return [torch.Generator(device).manual_seed(seed).get_state() for device in devices]


@contextmanager
def own(states: States) -> Iterator[None]:
    """Gives a run its own global generators, which some pipelines draw from besides the one they are given.

    As with the stock pipeline, `torch.manual_seed(7)` before `submit` repeats a picture. It reaches the generators of
    whatever run has them at that moment, though; a run's `seed` does the same and disturbs nobody.
    """
    with _one_at_a_time:
        with _swap:
            _outside[:] = _read()
            _write(states)
        try:
            yield
        finally:
            with _swap:
                states[:] = _read()
                _write(_outside)
                _outside.clear()


def _moved_on(state: torch.Tensor, device: str) -> torch.Tensor:
    generator = torch.Generator(device)
    generator.set_state(state)
    torch.rand((), generator=generator, device=device)
    return generator.get_state()


def _read() -> States:
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *cuda]


def _write(states: States) -> None:
    for write, state in zip((torch.set_rng_state, torch.cuda.set_rng_state), states, strict=False):
        write(state)
