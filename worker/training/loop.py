"""The one training loop: what is random in a step comes from its number, so a resumed run is the same run."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from worker.training.checkpoint import load_checkpoint, save_checkpoint

Student = TypeVar("Student", bound=nn.Module)


@dataclass(frozen=True)
class Plan:
    """How long and how fast; the rate falls to zero over the last part (`decay`) of the steps."""

    steps: int
    batch: int
    rate: float
    warmup: int = 100
    decay: float = 0.3
    averaging: float = 0.999
    save_every: int = 500


def rate_at(plan: Plan, step: int) -> float:
    left = (plan.steps - step) / max(1, plan.decay * plan.steps)
    return plan.rate * min(1, (step + 1) / plan.warmup) * (0.5 - 0.5 * math.cos(math.pi * min(1, left)))


def learn(
    name: str,
    student: Student,
    loss_at: Callable[[int], Tensor],
    plan: Plan,
    folder: Path,
    saved: Callable[[int, Student], None] | None = None,
    slow: dict[str, float] | None = None,
) -> Student:
    """Trains the student by the loss of each step; parts named in `slow` learn at a fraction of the rate.

    Returns the running average of the weights, the better artist of the two.
    """
    parts = [
        {"params": list(part.parameters()), "share": (slow or {}).get(key, 1.0)}
        for key, part in student.named_children()
    ]
    optimizer = torch.optim.AdamW(parts, lr=plan.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = copy.deepcopy(student).requires_grad_(False)
    modules, path = {"student": student, "average": average}, folder / f"{name}.safetensors"
    done = load_checkpoint(path, modules, optimizer)
    progress = tqdm(range(done, plan.steps), name, plan.steps, initial=done, mininterval=5, smoothing=0.05)
    seen = torch.zeros(())
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(plan, step) * group["share"]
        loss = loss_at(step)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _follow(average, student, min(plan.averaging, (step + 1) / (step + 20)))
        seen = loss.detach() if step == done else loss.detach().lerp(seen, 0.98)
        if step % 50 == 0:
            speed = plan.batch * (progress.format_dict["rate"] or 0)
            progress.set_postfix_str(f"loss {seen.item():.4f}, {speed:.0f} samples/s", refresh=False)
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            save_checkpoint(path, step + 1, modules, optimizer)
            if saved:
                saved(step + 1, average)
    return average


def _follow(average: nn.Module, student: nn.Module, momentum: float) -> None:
    targets, sources = ([p.detach() for p in module.parameters()] for module in (average, student))
    torch._foreach_lerp_(targets, sources, 1 - momentum)
