"""All that a training run needs to go on after it was killed, in one safetensors file; nothing is pickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save_checkpoint(path: Path, step: int, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> None:
    """Replaces the file in one move, so that a kill leaves either the old or the new one."""
    states = {name: module.state_dict() for name, module in modules.items()}
    tensors = {f"{name}/{key}": value for name, state in states.items() for key, value in state.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    save_file({key: value.contiguous() for key, value in tensors.items()}, unfinished, {"step": str(step)})
    unfinished.replace(path)


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer | None = None
) -> int:
    """Fills the modules (and the optimizer) and returns the number of steps done; 0 where there is no file."""
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        for name, module in modules.items():
            module.load_state_dict(_read(file, f"{name}/"))
        if optimizer is not None:
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _read(file, "optimizer/").items():
                index, field = key.split("/")
                state.setdefault(int(index), {})[field] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return int(file.metadata()["step"])


def _read(file: Any, prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
