import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Stopwatch:
    """Measures the seconds inside a pipeline's modules; it is put on before the engine adopts them."""

    def __init__(self, pipeline: Any) -> None:
        self.seconds = 0.0
        self.denoiser_forwards = 0
        self._cuda = pipeline.device.type == "cuda"
        self._timed = [(pipeline.unet, "forward"), (pipeline.vae, "decode")]
        parts = pipeline.components.values()
        self._timed += [
            (part, "forward")
            for part in parts
            if isinstance(part, nn.Module) and part not in (pipeline.unet, pipeline.vae)
        ]
        self._denoiser = pipeline.unet
        for module, method in self._timed:
            setattr(module, method, self._time(module, getattr(module, method)))

    def release(self) -> None:
        for module, method in self._timed:
            delattr(module, method)

    def _time(self, module: nn.Module, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = original(*args, **kwargs)
            if self._cuda:
                torch.cuda.synchronize()  # costs little beside full-size models, and time there is no time here
            self.seconds += time.perf_counter() - started
            self.denoiser_forwards += module is self._denoiser
            return result

        return timed
