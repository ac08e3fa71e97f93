"""Contact sheets, each picture with its prompt: `python -m worker.training.sheet MODEL --out FILE`."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw, ImageFont

GUIDANCE = 3.0
PROMPTS = (
    "a cat wearing a space helmet", "a cat wearing a space helmet", "a cat", "a gray cat wearing a space helmet",
    "a black cat on a yellow background", "a purple cat wearing a hat in the desert",
    "a kitten in sunglasses", "a dog", "a dog wearing sunglasses on a white background", "a puppy in a space helmet",
    "a rabbit in the snow", "a pink rabbit wearing a scarf",
    "a red cat to the left of a blue house", "a bear wearing a hat", "a red bird in the sky", "a robot",
    "a robot wearing a space helmet in space", "a green fish on a white background",
    "a yellow star in the top left", "a tree", "a blue flower on a yellow background", "a mushroom at night",
    "a green apple on a pink background", "a cloud", "a small dog in the bottom right", "the sun", "the moon",
    "a red star in the desert", "a turquoise planet in space", "a rocket",
    "a green tree to the right of a yellow car", "a green balloon", "a blue house in the snow", "a boat",
    "a cup of coffee", "an umbrella at sea", "a purple heart on the left", "a small green fish, sea",
    "a big turquoise circle", "an orange square on a pink background", "a purple triangle in the grass",
    "a blue ring at the top", "a white rabbit above a red car", "a brown bear on the right in the snow",
    "a pink bird on the left and a green mushroom on the right", "a small orange boat at sea, on the left",
    "a blue robot below a yellow star at night", "a flat drawing of a red rocket in the top right",
)  # fmt: skip


def make_pictures(
    pipeline: StableDiffusionPipeline,
    prompts: Sequence[str],
    *,
    steps: int = 20,
    guidance: float = GUIDANCE,
    seed: int = 0,
) -> list[Image.Image]:
    """One picture for each prompt, the n-th from seed + n."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), 12):
        part = list(prompts[start : start + 12])
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        pictures += pipeline(part, num_inference_steps=steps, guidance_scale=guidance, generator=generators).images
    return pictures


def contact_sheet(pictures: Sequence[Image.Image], prompts: Sequence[str], columns: int = 8) -> Image.Image:
    side, text, gap = pictures[0].width, 34, 6
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + text + gap) + gap), "white")
    canvas, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = gap + i % columns * (side + gap), gap + i // columns * (side + text + gap)
        sheet.paste(picture, (x, y))
        canvas.multiline_text((x, y + side + 2), textwrap.fill(prompt, 26), "black", font, spacing=1)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a folder in diffusers' format")
    parser.add_argument("--out", type=Path, required=True, help="the picture file to write")
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(options.model)
    pictures = make_pictures(pipeline, PROMPTS, guidance=options.guidance, seed=options.seed)
    contact_sheet(pictures, PROMPTS).save(options.out)


if __name__ == "__main__":
    main()
