"""Puts the parts together as an ordinary StableDiffusionPipeline, and writes it as a folder."""

import copy
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from worker.training.denoiser import Artist, build_scheduler


def build_pipeline(autoencoder: AutoencoderKL, artist: Artist, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=artist.text_encoder,
        tokenizer=tokenizer,
        unet=artist.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def export(
    folder: Path, autoencoder: AutoencoderKL, artist: Artist, tokenizer: CLIPTokenizer, vocabulary: Path
) -> None:
    """Writes the folder in float16, with vocab.json and merges.txt beside the tokenizer for readers that want those."""
    pipeline = build_pipeline(copy.deepcopy(autoencoder).half(), copy.deepcopy(artist), tokenizer)
    pipeline.unet.half()
    pipeline.vae.register_to_config(_name_or_path="")  # or else the config holds a path of this machine
    # The text encoder stays float32: transformers opens a model as it was stored, diffusers in float32.
    pipeline.save_pretrained(folder, safe_serialization=True)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(vocabulary / name, folder / "tokenizer" / name)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for the owner alone; a service runs as somebody else
