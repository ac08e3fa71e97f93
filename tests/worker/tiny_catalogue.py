"""A catalogue of a tiny Stable Diffusion with random weights, a ControlNet and LoRAs, as an operator would write it."""

from pathlib import Path

import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

from tests.worker.engine import tiny_pipelines
from tests.worker.engine.conformance.parts import awake
from tests.worker.pipelines.adapters.lora_files import diffusers_file, kohya_file

CATALOGUE = """
default = "tiny"
[models.tiny]
source = "tiny"
tasks = ["text-to-image", "image-to-image", "inpainting"]
schedulers = ["DDIMScheduler", "EulerDiscreteScheduler"]
[models.tiny.defaults]
width = 16
height = 16
num_inference_steps = 4
guidance_scale = 2.0
scheduler = "DDIMScheduler"
strength = 0.8
[models.tiny.limits]
min_size = 8
max_size = 64
[models.tiny.loras.ink]
source = "ink.safetensors"
description = "drawn in ink"
[models.tiny.loras.wash]
source = "wash"
[models.tiny.loras.broken]
source = "broken.safetensors"
[models.tiny.controlnets.edges]
source = "edges"
description = "follows edges"
"""


def write_catalogue(folder: Path) -> Path:
    """Writes the models beside a models.toml, whose path it returns."""
    pipeline = tiny_pipelines.stable_diffusion(folder)
    pipeline.save_pretrained(folder / "tiny")
    controlnet = ControlNetModel.from_unet(pipeline.unet, conditioning_embedding_out_channels=(4, 8))
    awake(controlnet).save_pretrained(folder / "edges")
    diffusers_file(folder / "ink.safetensors", pipeline, ["unet", "text_encoder"], seed=1)
    (folder / "wash").mkdir()
    kohya_file(folder / "wash" / "wash.safetensors", pipeline, {"unet": "lora_unet"}, seed=2)
    save_file({"nothing.lora_A.weight": torch.zeros(2, 2)}, folder / "broken.safetensors")
    catalogue = folder / "models.toml"
    catalogue.write_text(CATALOGUE)
    return catalogue
