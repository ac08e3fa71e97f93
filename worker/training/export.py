"""Puts the parts together as an ordinary StableDiffusionPipeline, and writes it as a folder.

`python -m worker.training.export RUN --out MODEL` does so with a run's averaged weights, while it goes on or after.
"""

import argparse
import copy
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTextModel, CLIPTokenizer

from worker.training.autoencoder import open_autoencoder
from worker.training.checkpoint import load_checkpoint
from worker.training.denoiser import Artist, build_denoiser, build_scheduler
from worker.training.text_encoder import WIDTH
from worker.training.tokenizer import build_tokenizer


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


def export_run(run: Path, folder: Path) -> int:
    """Exports what the run's last checkpoint holds, and returns the steps it has done."""
    artist = Artist(build_denoiser(WIDTH), CLIPTextModel.from_pretrained(run / "text_encoder"))
    step = load_checkpoint(run / "artist.safetensors", {"average": artist})
    if not step:
        raise SystemExit(f"There is no artist.safetensors in {run}: the denoiser has not been saved yet.")
    export(folder, open_autoencoder(run), artist, build_tokenizer(run / "vocabulary", seed=0), run / "vocabulary")
    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a training run")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder, in diffusers' format")
    options = parser.parse_args()
    print(f"{options.out}: step {export_run(options.run, options.out)}")  # noqa: T201


if __name__ == "__main__":
    main()
