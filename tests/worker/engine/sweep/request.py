from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 600


@dataclass(frozen=True)
class Request:
    """One pipeline call; `arguments` are made anew for each, since generators and schedulers go on."""

    name: str
    pipeline: Any
    arguments: Callable[[], dict[str, Any]]
    seed: int
