"""Contact sheets: a grid of pictures, each under the prompt that it was made for."""

import textwrap
from collections.abc import Sequence

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw, ImageFont

PROMPTS = (
    "a cat wearing a space helmet", "a cat wearing a space helmet", "a cat wearing a space helmet",
    "a cat wearing a space helmet on a pink background", "a cat", "a black cat on a yellow background",
    "a dog", "a dog wearing sunglasses on a white background", "a rabbit in the snow", "a bear wearing a hat",
    "a bird wearing a scarf", "a robot in space", "a fish", "a green fish on a white background",
    "a tree", "a blue flower on a yellow background", "a mushroom at night", "a purple apple", "a cloud",
    "the sun", "the moon", "a red star in the desert", "a planet", "a rocket", "a green balloon",
    "a blue house in the snow", "a yellow car on grass", "a boat", "a cup of coffee", "an umbrella",
    "a heart", "a turquoise circle", "an orange square on a pink background", "a purple triangle", "a blue ring",
    "a big gray cat wearing a hat in the desert",
)  # fmt: skip


def make_pictures(
    pipeline: StableDiffusionPipeline, prompts: Sequence[str], *, steps: int = 20, guidance: float = 4.0, seed: int = 0
) -> list[Image.Image]:
    """One picture for each prompt, the n-th from seed + n."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), 12):
        part = list(prompts[start : start + 12])
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        pictures += pipeline(part, num_inference_steps=steps, guidance_scale=guidance, generator=generators).images
    return pictures


def contact_sheet(pictures: Sequence[Image.Image], prompts: Sequence[str], columns: int = 9) -> Image.Image:
    side, text, gap = pictures[0].width, 34, 6
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + text + gap) + gap), "white")
    canvas, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = gap + i % columns * (side + gap), gap + i // columns * (side + text + gap)
        sheet.paste(picture, (x, y))
        canvas.multiline_text((x, y + side + 2), textwrap.fill(prompt, 26), "black", font, spacing=1)
    return sheet
