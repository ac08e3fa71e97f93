"""Whether pictures show what their prompts say, asked of a judge."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from worker.training.captions import caption
from worker.training.chance import chance_for
from worker.training.judge import Judge, is_right
from worker.training.scenes import Scene, Variety, sample_scene
from worker.training.sheet import make_pictures
from worker.training.stream import to_unit
from worker.training.world import KINDS

# Every kind, colour and background as often as any other, nothing left unsaid.
EVEN = Variety(sizes=("normal", "small", "big"), placed=0.35, pairs=0.3, natural=0.0, favourite=0.0, worn=0.6)


def held_out_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes whose every (kind, colour, place) was kept out of training, by the rule in `is_held_out`.

    By turns one thing in the middle, one thing elsewhere, two things.
    """
    turns = (replace(EVEN, placed=0, pairs=0), replace(EVEN, placed=1, pairs=0), replace(EVEN, placed=0, pairs=1))
    return [sample_scene(turns[i % 3], 1000 * seed + i, held_out=True) for i in range(count)]


def prompts_for(scenes: Sequence[Scene], seed: int) -> list[str]:
    chance = chance_for(f"{seed}/prompts")
    return [caption(scene, chance, silence=0) for scene in scenes]


def adherence(
    pipeline: StableDiffusionPipeline, judge: Judge, scenes: Sequence[Scene], steps: int, guidance: float, seed: int
) -> dict[str, float]:
    """Draws each scene's prompt once, none picked, and scores the pictures."""
    pictures = make_pictures(pipeline, prompts_for(scenes, seed), steps=steps, guidance=guidance, seed=seed)
    return score(judge, to_images(pictures), scenes)


def to_images(pictures: Sequence[Image.Image]) -> Tensor:
    """(B, 3, H, W) from -1 to 1."""
    return to_unit(torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2))


def score(judge: Judge, images: Tensor, scenes: Sequence[Scene]) -> dict[str, float]:
    """Returns the share of right answers to each question that the scenes give occasion to ask.

    A single thing is asked for its kind and colour, off the middle for its place, with a head for what it wears; two
    things for both kinds, each where the relation puts it; every picture for its background.
    """
    first = is_right(judge, images, scenes)
    is_single = torch.tensor([len(scene.things) == 1 for scene in scenes])
    has_head = torch.tensor([KINDS[scene.things[0].kind].wears for scene in scenes])
    is_placed = torch.tensor([scene.things[0].place != "center" for scene in scenes])
    pairs = [i for i, scene in enumerate(scenes) if len(scene.things) == 2]
    hits = {
        "kind": first["kind"][is_single],
        "colour": first["colour"][is_single],
        "place": first["place"][is_single & is_placed],
        "wear": first["wear"][is_single & has_head],
        "background": first["background"],
    }
    if pairs:
        second = is_right(judge, images[pairs], [scenes[i] for i in pairs], which=1)
        hits["two in order"] = first["kind"][pairs] & second["kind"]
    return {question: share.float().mean().item() for question, share in hits.items() if len(share)}
