"""Measures a model against its bars: `python -m worker.training.evaluate worker/models/mini --out DIR`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from worker.training.adherence import EVEN, adherence, held_out_scenes, score
from worker.training.diversity import diversity
from worker.training.fidelity import fidelity
from worker.training.inpainting import repaint
from worker.training.judge import Judge, render, train_judge
from worker.training.sheet import GUIDANCE

STEPS, FEW_STEPS = 20, 8
BARS = {"kind": 0.92, "colour": 0.95, "place": 0.9, "wear": 0.85, "background": 0.92, "two in order": 0.75}
Shares = dict[str, float]


def evaluate(
    pipeline: StableDiffusionPipeline, judge: Judge, count: int, guidance: float, seed: int
) -> dict[str, Shares]:
    """Scores on held-out combinations, beside the judge's own on their true drawings, as they are and decoded."""
    scenes = held_out_scenes(count, seed)
    drawn, decoded = (
        torch.cat([render(scenes[i : i + 32], pipeline.vae, softly=softly) for i in range(0, count, 32)])
        for softly in (False, True)
    )
    return {
        f"{STEPS} steps": adherence(pipeline, judge, scenes, STEPS, guidance, seed),
        f"{FEW_STEPS} steps, DPM-Solver++": adherence(
            with_few_steps(pipeline), judge, scenes, FEW_STEPS, guidance, seed
        ),
        "the judge, on true drawings": score(judge, drawn, scenes),
        "the judge, through the autoencoder": score(judge, decoded, scenes),
    }


def with_few_steps(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    quick = StableDiffusionPipeline(**pipeline.components, requires_safety_checker=False)
    quick.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    quick.set_progress_bar_config(disable=True)
    return quick


def measure(pipeline: StableDiffusionPipeline, judge: Judge, count: int, guidance: float, seed: int) -> dict[str, str]:
    """What is not a share of right answers: fidelity, diversity, inpainting; `count` as for `evaluate`."""
    made, drawn = diversity(pipeline, "cat", STEPS, guidance)
    painted = repaint(pipeline, judge, max(1, count // 10), STEPS, guidance, seed)
    decibels = fidelity(pipeline.vae, held_out_scenes(max(1, count // 5), seed))
    return {
        "autoencoder, PSNR on fresh scenes": f"{decibels:.1f} dB",
        'diversity of 16 times "a cat", against drawings': f"{made:.2f} / {drawn:.2f} = {made / drawn:.0%}",
        "inpainting, PSNR outside the mask": f"{painted['outside']:.1f} dB",
        "inpainting, the new thing is there": f"{painted['new thing']:.0%}",
    }


def format_table(table: Mapping[str, Shares], bars: Shares | None = None) -> str:
    """Markdown; a question that nobody was asked has a dash."""
    rows = {**table, "bar": bars} if bars else table
    questions = list(dict.fromkeys(asked for scores in rows.values() for asked in scores))
    lines = ["| | " + " | ".join(questions) + " |", "|---" * (len(questions) + 1) + "|"]
    lines += [
        f"| {row} | " + " | ".join(f"{scores[asked]:.0%}" if asked in scores else "-" for asked in questions) + " |"
        for row, scores in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a folder in diffusers' format")
    parser.add_argument("--out", type=Path, required=True, help="where the judge is kept")
    parser.add_argument("--count", type=int, default=500, help="prompts; all other numbers scale with it")
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(options.model)
    pipeline.set_progress_bar_config(disable=True)
    judge = train_judge(options.out, pipeline.vae, EVEN, options.seed)
    how = (pipeline, judge, options.count, options.guidance, options.seed)
    print(format_table(evaluate(*how), BARS), flush=True)  # noqa: T201
    print("\n".join(["", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in measure(*how).items())]))  # noqa: T201


if __name__ == "__main__":
    main()
