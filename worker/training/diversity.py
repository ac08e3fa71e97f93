"""How different the pictures of one prompt are, against how different the world's own drawings of it are."""

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from worker.training.adherence import to_images
from worker.training.judge import render
from worker.training.scenes import Scene, Thing
from worker.training.sheet import make_pictures
from worker.training.world import KINDS


def spread(images: Tensor) -> float:
    """Mean root-mean-square distance between two of the pictures, of a range of 2."""
    return (torch.pdist(images.flatten(1)) / images[0].numel() ** 0.5).mean().item()


def diversity(
    pipeline: StableDiffusionPipeline, kind: str, steps: int, guidance: float, seeds: int = 16
) -> tuple[float, float]:
    """The spread of the prompt "a KIND" over the seeds, and of drawings of what it leaves unsaid."""
    traits = KINDS[kind]
    thing = Thing(kind, traits.colours[0])
    scenes = [Scene((thing,), traits.homes[seed % len(traits.homes)], seed=seed) for seed in range(seeds)]
    pictures = make_pictures(pipeline, [f"a {kind}"] * seeds, steps=steps, guidance=guidance)
    return spread(to_images(pictures)), spread(render(scenes, pipeline.vae, softly=False))
