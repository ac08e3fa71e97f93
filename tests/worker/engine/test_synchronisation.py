"""What makes the host wait for the device, which the hub's own code must not do at each step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from worker.engine.adoption import Adoption
from worker.engine.hub import Hub
from worker.engine.isolation.randomness import branch_off
from worker.engine.run import Run

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
WAITING = {"_local_scalar_dense", "equal", "is_nonzero", "_to_copy", "_copy_from", "copy_"}


class Waiting(TorchDispatchMode):
    """Notes the operations that would make the host wait for a device, or copy from one to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in WAITING:
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, sample: Tensor, timestep: Tensor, ids: Tensor, residual: Tensor | None = None) -> Tensor:
        sample = torch.tanh(self.linear(sample) + timestep.expand(len(sample))[:, None]) + ids
        return sample if residual is None else sample + residual

    def decode(self, sample: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        return sample + strength * torch.randn(sample.shape, generator=generator, device=sample.device)


class Painting:
    """Steps through a denoiser as a pipeline does: timesteps of 0 dimensions, shared ids, a residual or none."""

    def __init__(self, module: nn.Module, device: str) -> None:
        self.module: Any = module
        self.timesteps = [torch.tensor(step / 10) for step in range(20)]  # schedulers leave theirs on the host
        self.ids = torch.ones(3, device=device)
        self.device = device

    def __call__(self, seed: int, has_residual: bool, strength: float) -> Tensor:
        generator = torch.Generator(self.device).manual_seed(seed)
        sample = torch.randn(1, 3, generator=generator, device=self.device)
        residual = {"residual": torch.ones_like(sample)} if has_residual else {}
        for timestep in self.timesteps:
            sample = self.module(sample, timestep, self.ids, **residual)
            sample = self.module.decode(sample, strength, generator)
        return sample


@contextmanager
def forbidden(device: str) -> Iterator[None]:
    if device == "cpu":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("strength", [0.0, 1.0], ids=["inert generator", "drawn generator"])
def test_in_steady_state_the_hubs_own_code_never_waits_for_the_device(device: str, strength: float) -> None:
    module = Denoiser().eval().to(device)
    adoption, hub = Adoption("small", "denoiser", module), Hub(max_rows=16)
    pipeline = Painting(module, device)
    for seed in range(4):
        arguments = {"seed": seed, "has_residual": seed % 2 == 0, "strength": strength}
        hub.admit(Run(pipeline, arguments, frozenset([adoption]), branch_off()))
    for _ in range(20):
        hub.advance()
    forwards = sum(method.forwards.total() for method in adoption.methods)

    with Waiting() as waiting, forbidden(device):
        for _ in range(10):
            hub.advance()

    assert len(hub.runs) == 4
    assert sum(method.forwards.total() for method in adoption.methods) - forwards == 10
    assert waiting.seen == []
