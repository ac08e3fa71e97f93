"""Says how well a model folder follows its prompts: `python -m worker.training.evaluate MODEL --out DIR`."""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from worker.training.captions import caption
from worker.training.chance import chance_for
from worker.training.judge import Judge, render, score, train_judge
from worker.training.scenes import Variety, sample_scene
from worker.training.sheet import GUIDANCE, make_pictures
from worker.training.stream import to_unit

EVEN = Variety(natural=0.0, favourite=0.0, worn=0.6)  # every kind, colour and background as often as any other


def evaluate(
    pipeline: StableDiffusionPipeline, judge: Judge, count: int, guidance: float, seed: int
) -> dict[str, dict[str, float]]:
    """Scores on seen and on held-out combinations, beside those of true drawings through the autoencoder."""
    table = {}
    for side in ("seen", "held out"):
        scenes = [sample_scene(EVEN, seed + i, held_out=side == "held out") for i in range(count)]
        chance = chance_for(str(seed))
        prompts = [caption(scene, chance, silence=0) for scene in scenes]
        table[f"{side}, model"] = score(judge, to_images(pipeline, prompts, guidance, seed), scenes)
        table[f"{side}, ceiling"] = score(judge, render(scenes, pipeline.vae, softly=True), scenes)
    return table


def to_images(pipeline: StableDiffusionPipeline, prompts: list[str], guidance: float, seed: int) -> Tensor:
    pictures = make_pictures(pipeline, prompts, guidance=guidance, seed=seed)
    return to_unit(torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2))


def format_table(table: dict[str, dict[str, float]]) -> str:
    questions = list(next(iter(table.values())))
    lines = ["| | " + " | ".join(questions) + " |", "|---" * (len(questions) + 1) + "|"]
    lines += [
        f"| {row} | " + " | ".join(f"{scores[asked]:.0%}" for asked in questions) + " |"
        for row, scores in table.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a folder in diffusers' format")
    parser.add_argument("--out", type=Path, required=True, help="where the judge is kept")
    parser.add_argument("--count", type=int, default=144)
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(options.model)
    judge = train_judge(options.out, pipeline.vae, EVEN, options.seed)
    print(format_table(evaluate(pipeline, judge, options.count, options.guidance, options.seed)))  # noqa: T201


if __name__ == "__main__":
    main()
