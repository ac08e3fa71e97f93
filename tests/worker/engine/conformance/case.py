import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

PROMPTS = ("a cat at sea", "two red dogs", "the old moon")  # equally long: some models pad nothing
STEPS = (4, 6, 5)
GUIDANCE = (5.0, 1.0, 3.0)


def nothing_more(_number: int) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Case:
    """A pipeline class over tiny real modules, and what its three requests ask for beyond what all are asked for.

    Those that run exclusively swap attention processors of modules that they share; `alone_because` is part of the
    reason that the engine gives for answering a denoiser's calls alone.
    """

    kind: type
    parts: Callable[[], dict[str, Any]]
    more: Callable[[int], dict[str, Any]] = nothing_more
    variant: str = ""
    is_exclusive: bool = False
    alone_because: str = ""

    def __str__(self) -> str:
        return self.kind.__name__ + (f"-{self.variant}" if self.variant else "")

    def build(self) -> Any:
        """Returns the pipeline; the same weights each time."""
        torch.manual_seed(0)
        pipeline = self.kind(**self.parts())
        pipeline.set_progress_bar_config(disable=True)
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval()
        return pipeline

    def arguments(self, number: int) -> dict[str, Any]:
        """Returns one request's arguments; its generator is new each time."""
        common = {
            "prompt": PROMPTS[number],
            "num_inference_steps": STEPS[number],
            "guidance_scale": GUIDANCE[number],
            "generator": torch.Generator().manual_seed(number),
            "height": 16,
            "width": 16,
            "output_type": "np",
        }
        known = inspect.signature(self.kind.__call__).parameters
        return {name: value for name, value in common.items() if name in known} | self.more(number)


def picture(number: int, size: int = 16) -> torch.Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(100 + number))


def photo(number: int, size: int = 64) -> Image.Image:
    pixels = picture(number, size)[0].permute(1, 2, 0).mul(255).byte()
    return Image.fromarray(pixels.numpy())


def mask(size: int = 16) -> torch.Tensor:
    return (torch.arange(size) < size // 2).float().expand(1, 1, size, size)


def from_picture(number: int) -> dict[str, Any]:
    return {"image": picture(number), "strength": 0.8}


def inpainting(number: int) -> dict[str, Any]:
    return {"image": picture(number), "mask_image": mask(), "strength": 0.8}
