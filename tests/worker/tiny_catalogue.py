"""A catalogue of a tiny Stable Diffusion with random weights, a ControlNet and LoRAs, as an operator would write it."""

import shutil
from pathlib import Path

import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

from tests.worker.engine import tiny_pipelines
from tests.worker.engine.conformance.parts import awake
from tests.worker.pipelines.adapters.lora_files import diffusers_file, kohya_file

CATALOGUE = Path(__file__).with_name("tiny_models.toml")


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
    return Path(shutil.copy(CATALOGUE, folder / "models.toml"))
