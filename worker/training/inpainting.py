"""Whether a thing can be painted over with another one, and the rest of the picture stays."""

from dataclasses import replace

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image, ImageChops, ImageFilter

from worker.training.adherence import EVEN, prompts_for, to_images
from worker.training.autoencoder import PIXELS
from worker.training.drawing import draw
from worker.training.fidelity import psnr
from worker.training.judge import Judge, is_right
from worker.training.scenes import Scene, sample_scene

ALONE = replace(EVEN, sizes=("normal",), placed=0.0, pairs=0.0)


def mask_over(scene: Scene, cover: Image.Image) -> Image.Image:
    """White over the box where the scene's thing should be, and over all that it covers: a hat may stick out."""
    thing = scene.things[0]
    reach = 1.25 * scene.radius(thing)
    left, top, right, bottom = (round(PIXELS * (at + way * reach)) for way in (-1, 1) for at in scene.centre(thing))
    covered = cover.point(lambda alpha: 255 if alpha else 0).filter(ImageFilter.MaxFilter(9))
    mask = Image.new("L", (PIXELS, PIXELS))
    mask.paste(255, (left, top, right, bottom))
    return ImageChops.lighter(mask, covered)


def repaint(
    pipeline: StableDiffusionPipeline, judge: Judge, count: int, steps: int, guidance: float, seed: int
) -> dict[str, float]:
    """Masks the thing of each drawing and asks for another before the same background.

    Returns the mean PSNR in decibels outside the mask and the share of pictures in which the new thing is there.
    """
    inpainting = StableDiffusionInpaintPipeline(**pipeline.components, requires_safety_checker=False)
    inpainting.set_progress_bar_config(disable=True)
    old = [sample_scene(ALONE, 1000 * seed + i) for i in range(count)]
    new = [_another(scene, 1000 * seed + count + i) for i, scene in enumerate(old)]
    drawn = [draw(scene) for scene in old]
    masks = [mask_over(scene, picture.cover) for scene, picture in zip(old, drawn, strict=True)]
    pictures: list[Image.Image] = []
    for i, prompt in enumerate(prompts_for(new, seed)):
        pictures += inpainting(
            prompt, drawn[i].image, masks[i], strength=1.0, num_inference_steps=steps, guidance_scale=guidance,
            height=PIXELS, width=PIXELS, generator=torch.Generator().manual_seed(seed + i),
        ).images  # fmt: skip
    images = to_images(pictures)
    outside = torch.from_numpy(np.stack([np.asarray(mask) for mask in masks]))[:, None] == 0
    return {
        "outside": psnr(images, to_images([picture.image for picture in drawn]), outside.float()).mean().item(),
        "new thing": is_right(judge, images, new)["kind"].float().mean().item(),
    }


def _another(scene: Scene, seed: int) -> Scene:
    """Another kind of thing where the scene has one, before the same background."""
    while True:
        other = sample_scene(ALONE, seed)
        if other.things[0].kind != scene.things[0].kind and other.background == scene.background:
            return other
        seed += 100_003
