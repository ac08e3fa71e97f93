"""Pipelines that invert a picture before they edit it: what the one call leaves on the pipeline, the other takes."""

from typing import Any

from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    LEditsPPPipelineStableDiffusion,
    LEditsPPPipelineStableDiffusionXL,
    StableDiffusionDiffEditPipeline,
)
from torch import Generator

from tests.worker.engine.conformance import stable_diffusion, stable_diffusion_xl
from tests.worker.engine.conformance.case import GUIDANCE, PROMPTS, STEPS, Case, photo

CONCEPTS = ("glasses", "sunshine")
UNCLIPPED = {"clip_sample": False, "set_alpha_to_one": False}
THREE_LEVELS = {  # the maps that LEDITS++ looks at have a quarter of the latents' height and width
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}


class InvertingAndEditing(LEditsPPPipelineStableDiffusion):
    """Does in one call what its users do in two."""

    def __call__(self, picture: int, **edit: Any) -> Any:
        invert(self, picture)
        return super().__call__(**edit)


class MaskingInvertingAndEditing(StableDiffusionDiffEditPipeline):
    """Does in one call what its users do in three."""

    def __call__(self, picture: int, prompt: str, generator: Generator, num_inference_steps: int, **edit: Any) -> Any:
        common: dict[str, Any] = {"generator": generator, "num_inference_steps": num_inference_steps}
        image, source = photo(picture, 16), PROMPTS[picture - 1]
        mask = self.generate_mask(image, source_prompt=source, target_prompt=prompt, num_maps_per_mask=2, **common)
        latents = self.invert(source, image, inpaint_strength=0.8, **common).latents
        return super().__call__(prompt, mask, latents, inpaint_strength=0.8, **common, **edit)


def invert(pipeline: Any, number: int) -> None:
    generator = Generator().manual_seed(number)
    pipeline.invert(photo(number, 32), source_prompt="a cat", num_inversion_steps=STEPS[number], generator=generator)


def edit(number: int) -> dict[str, Any]:
    concepts = CONCEPTS[: 1 + number % 2]
    return {
        "editing_prompt": [*concepts],
        "reverse_editing_direction": [False, True][: len(concepts)],
        "edit_guidance_scale": [5.0 + number] * len(concepts),
        "generator": Generator().manual_seed(number),
        "output_type": "np",
    }


def parts() -> dict[str, Any]:
    known = stable_diffusion.remade(stable_diffusion.parts(), **THREE_LEVELS)
    return known | {"scheduler": solver()}


def parts_of_xl() -> dict[str, Any]:
    return stable_diffusion_xl.parts() | {"scheduler": solver()}


def solver() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", solver_order=2)


def reversible() -> dict[str, Any]:
    known = {"scheduler": DDIMScheduler(**UNCLIPPED), "inverse_scheduler": DDIMInverseScheduler(**UNCLIPPED)}
    return stable_diffusion.parts() | known


def masked(number: int) -> dict[str, Any]:
    return {"picture": number, "guidance_scale": GUIDANCE[number], "output_type": "np"}


INVERTED = {LEditsPPPipelineStableDiffusion: parts, LEditsPPPipelineStableDiffusionXL: parts_of_xl}
CASES = [
    Case(InvertingAndEditing, parts, lambda number: edit(number) | {"picture": number}, is_exclusive=True),
    Case(MaskingInvertingAndEditing, reversible, masked),
]
