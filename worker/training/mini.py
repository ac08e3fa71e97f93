"""Teaches the mini model from nothing: `python -m worker.training.mini --out DIR`. Once more goes on after a stop.

With `--steps 1` a run leaves the denoiser as it is, and goes on to the decoder and to the model's folder.
"""

import argparse
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTokenizer

from worker.training.adherence import EVEN
from worker.training.autoencoder import open_autoencoder, polish_decoder, train_autoencoder
from worker.training.denoiser import Artist, Curriculum, Stage, build_denoiser, train_denoiser
from worker.training.evaluate import evaluate, format_table
from worker.training.export import build_pipeline, export
from worker.training.judge import train_judge
from worker.training.loop import Plan
from worker.training.scenes import WHOLE_WORLD, Variety
from worker.training.sheet import GUIDANCE, PROMPTS, contact_sheet, make_pictures
from worker.training.stream import Pace
from worker.training.text_encoder import WIDTH, train_text_encoder
from worker.training.tokenizer import build_tokenizer


@dataclass(frozen=True)
class Recipe:
    """All the choices of a run."""

    autoencoder: Plan
    text_encoder: Plan
    lessons: tuple[Curriculum, ...]  # each goes on where the one before it ended, with a rate of its own
    decoder: Plan
    watched: int = len(PROMPTS)  # pictures on the sheet that each checkpoint brings
    judged: int = 48  # pictures on each side of the table that each checkpoint brings


CENTRED = Variety(sizes=("normal",))
SIZED = Variety(sizes=("normal", "normal", "normal", "big"), favourite=0.25)

PLACED = replace(SIZED, sizes=("normal", "normal", "small", "big"), placed=0.6, natural=0.3)
MIXED = replace(
    PLACED, styles=("outlined",) * 10 + ("flat", "shaded"), placed=0.3, pairs=0.35, worn=0.5, favourite=0.15
)
VARIED = replace(MIXED, sizes=("normal", "small", "big"), natural=0.1, worn=0.6)

CENTRE = Curriculum(
    stages=(
        Stage(until=0.25, variety=CENTRED, pure_noise=0.4, silence=0.2),
        Stage(until=1.0, variety=SIZED, pure_noise=0.15, silence=0.4),
    ),
    plan=Plan(steps=6000, batch=16, rate=8e-4, decay=0.3, save_every=1000),
    pace=Pace(start=32, every=48, size=96),
)
PLACES = Curriculum(  # and two things, and seldom another style
    stages=(
        Stage(until=0.4, variety=PLACED, pure_noise=0.35, silence=0.2),
        Stage(until=1.0, variety=MIXED, pure_noise=0.25, silence=0.35),
    ),
    plan=Plan(steps=18_000, batch=16, rate=7e-4, decay=0.3, save_every=250),
    pace=Pace(start=32, every=16, size=32),  # short, so that a stage soon holds its own scenes alone
)
DETAILS = Curriculum(  # colours that do not go without saying, small things, things that are worn
    stages=(Stage(until=1.0, variety=VARIED, pure_noise=0.25, silence=0.25),),
    plan=Plan(steps=20_400, batch=16, rate=4e-4, decay=0.12, save_every=200),
    pace=Pace(start=32, every=16, size=32),
)
LAPTOP = Recipe(  # some four hours of two quiet CPU cores, reckoned from its parts
    autoencoder=Plan(steps=1250, batch=24, rate=2e-3, warmup=50, decay=0.5, averaging=0.99, save_every=250),
    text_encoder=Plan(steps=700, batch=64, rate=1.5e-3, decay=0.5, averaging=0.99),
    lessons=(CENTRE, PLACES, DETAILS),
    decoder=Plan(steps=2000, batch=8, rate=1e-3, decay=0.6, averaging=0.99, save_every=250),
    watched=8,
    judged=0,
)
GPU = Recipe(  # the whole world; not yet run
    autoencoder=Plan(steps=6000, batch=96, rate=2e-3, decay=0.5, averaging=0.995, save_every=1000),
    text_encoder=Plan(steps=1500, batch=256, rate=1.5e-3, decay=0.5, averaging=0.99),
    lessons=(
        Curriculum(
            stages=(
                Stage(until=0.1, variety=CENTRED, pure_noise=0.4, silence=0.2),
                Stage(until=0.2, variety=SIZED, pure_noise=0.2, silence=0.4),
                Stage(until=0.45, variety=PLACED, pure_noise=0.2, silence=0.4),
                Stage(until=1.0, variety=WHOLE_WORLD, pure_noise=0.1, silence=0.5),
            ),
            plan=Plan(steps=20_000, batch=256, rate=1e-3, warmup=500, decay=0.4, averaging=0.9995, save_every=1000),
            pace=Pace(start=128, every=2, size=512),
        ),
    ),
    decoder=Plan(steps=4000, batch=32, rate=1e-3, decay=0.6, averaging=0.995, save_every=1000),
)
RECIPES = {"laptop": LAPTOP, "gpu": GPU}


def train(recipe: Recipe, out: Path, seed: int, device: torch.device, drawers: Executor | None = None) -> None:
    """Learns to see, to read, to draw, and last to draw finely; what is finished is not learned again."""
    vocabulary = out / "vocabulary"
    tokenizer = build_tokenizer(vocabulary, seed)
    autoencoder = learn_to_see(recipe, out, seed, device, drawers)
    text_encoder = learn_to_read(recipe, out, tokenizer, seed, device)
    judge = train_judge(out, autoencoder, EVEN, seed) if recipe.judged else None
    torch.manual_seed(seed)
    artist = Artist(build_denoiser(WIDTH), text_encoder).to(device)

    def saved(step: int, average: Artist) -> None:
        pipeline = build_pipeline(autoencoder, average, tokenizer)
        prompts = PROMPTS[:: len(PROMPTS) // recipe.watched]
        contact_sheet(make_pictures(pipeline, prompts), prompts).save(out / f"sheet-{step:06}.png")
        if judge:
            table = evaluate(pipeline, judge, count=recipe.judged, guidance=GUIDANCE, seed=seed)
            (out / f"adherence-{step:06}.md").write_text(format_table(table))

    for lesson in recipe.lessons:
        average = train_denoiser(out, autoencoder, artist, tokenizer, lesson, seed, drawers, saved)
    polish_decoder(out, autoencoder, recipe.decoder, recipe.lessons[-1].stages[-1].variety, seed, drawers)
    pipeline = build_pipeline(autoencoder, average, tokenizer)
    contact_sheet(make_pictures(pipeline, PROMPTS), PROMPTS).save(out / "sheet.png")
    export(out / "model", autoencoder, average, tokenizer, vocabulary)


def cut(lesson: Curriculum, steps: int) -> Curriculum:
    """The lesson, if it would be longer, with so many steps."""
    return replace(lesson, plan=replace(lesson.plan, steps=min(steps, lesson.plan.steps)))


def learn_to_see(recipe: Recipe, out: Path, seed: int, device: torch.device, drawers: Executor | None) -> AutoencoderKL:
    folder = out / "vae"
    if not folder.exists():
        train_autoencoder(out, recipe.autoencoder, seed, device, drawers).save_pretrained(folder)
    return open_autoencoder(out).to(device)


def learn_to_read(
    recipe: Recipe, out: Path, tokenizer: CLIPTokenizer, seed: int, device: torch.device
) -> CLIPTextModel:
    folder = out / "text_encoder"
    if not folder.exists():
        train_text_encoder(out, tokenizer, recipe.text_encoder, seed, device).save_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder).to(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the run's folder: checkpoints, sheets, the model")
    parser.add_argument("--recipe", choices=RECIPES, default="laptop")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, help="at most so many of the denoiser")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--drawers", type=int, default=0, help="processes that draw scenes ahead: for a GPU, as many as cores"
    )
    options = parser.parse_args()
    recipe = RECIPES[options.recipe]
    if options.steps:
        recipe = replace(recipe, lessons=tuple(cut(lesson, options.steps) for lesson in recipe.lessons))
    device = torch.device(options.device)
    if options.drawers:
        with ProcessPoolExecutor(options.drawers, get_context("spawn")) as drawers:
            train(recipe, options.out, options.seed, device, drawers)
    else:
        train(recipe, options.out, options.seed, device)


if __name__ == "__main__":
    main()
