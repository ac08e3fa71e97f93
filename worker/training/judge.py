"""A judge that has seen the true drawings: says what is in a picture, so that adherence is measured and not felt."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor, nn

from worker.training.autoencoder import PIXELS, encode
from worker.training.chance import chance_for
from worker.training.checkpoint import load_checkpoint
from worker.training.loop import Plan, learn
from worker.training.scenes import Scene, Variety, sample_scene
from worker.training.stream import draw_scenes, to_unit
from worker.training.text_encoder import QUESTIONS

ASKED = ("kind", "colour", "wear", "place", "background")
OF_THE_WHOLE = ("place", "background")
CROP = 64
PLAN = Plan(steps=2400, batch=48, rate=2e-3, warmup=50, decay=0.6, averaging=0.98)


class Judge(nn.Module):
    """Looks twice: at a thing's place, cut out and brought to 64 pixels, and at the whole picture at 32."""

    def __init__(self) -> None:
        super().__init__()
        self.thing, self.whole = _eye(16, 32, 64, 96, grid=2), _eye(16, 32, 64, grid=4)
        self.heads = nn.ModuleDict(
            {asked: nn.Linear(64 if asked in OF_THE_WHOLE else 96, len(QUESTIONS[asked])) for asked in ASKED}
        )

    def forward(self, cuts: Tensor, images: Tensor) -> dict[str, Tensor]:
        """Scores (B, choices) for each question; cuts from `cut_out`."""
        thing, whole = self.thing(cuts), self.whole(F.interpolate(images, (32, 32), mode="area"))
        return {asked: head(whole if asked in OF_THE_WHOLE else thing) for asked, head in self.heads.items()}


def _eye(*widths: int, grid: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, width in zip((3, *widths), widths, strict=False):
        layers += [
            nn.Conv2d(before, width, 3, 2, 1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.ReLU(),
        ]
    last = widths[-1]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(grid**2 * last, last), nn.ReLU())


def cut_out(image: Tensor, scene: Scene, which: int = 0, unsteady: random.Random | None = None) -> Tensor:
    """(3, CROP, CROP): the box around the place where the scene's n-th thing should be; about there, if unsteady."""
    thing, side = scene.things[which], image.shape[-1]
    radius = scene.radius(thing)
    reach = radius * (unsteady.uniform(1.1, 1.5) if unsteady else 1.25)
    spans = []
    for at in scene.centre(thing):
        middle = at + (radius * unsteady.uniform(-0.15, 0.15) if unsteady else 0)
        spans.append(slice(max(0, round((middle - reach) * side)), min(side, round((middle + reach) * side))))
    return F.interpolate(image[None, :, spans[1], spans[0]], (CROP, CROP), mode="bilinear")[0]


def truths(scene: Scene, which: int = 0) -> list[int]:
    """The right choice for each question about the n-th thing."""
    thing = scene.things[which]
    facts = (thing.kind, thing.colour, thing.wear, thing.place, scene.background)
    return [QUESTIONS[asked].index(fact) for asked, fact in zip(ASKED, facts, strict=True)]


def train_judge(
    folder: Path, autoencoder: AutoencoderKL, variety: Variety, seed: int, plan: Plan = PLAN, bank: int = 6144
) -> Judge:
    """Learns on true drawings, every second one of them through the autoencoder, whose softness must not matter."""
    torch.manual_seed(seed)
    judge = Judge().to(autoencoder.device)
    path = folder / "judge.safetensors"
    if load_checkpoint(path, {"average": judge}) >= plan.steps:
        return judge
    chance = chance_for(f"{seed}/judge")
    scenes = [sample_scene(variety, chance.getrandbits(40), held_out=chance.random() < 0.1) for _ in range(bank)]
    parts = (render(scenes[i : i + 64], autoencoder, softly=i % 128 == 0) for i in range(0, bank, 64))
    images = torch.cat([(127.5 * (part + 1)).round().byte() for part in parts])

    def loss_at(step: int) -> Tensor:
        chance = chance_for(f"{seed}/judge/{step}")
        lots = chance.choices(range(bank), k=plan.batch)
        seen, shown = to_unit(images[lots]), [scenes[i] for i in lots]
        which = [chance.randrange(len(scene.things)) for scene in shown]
        cuts = [cut_out(image, scene, n, chance) for image, scene, n in zip(seen, shown, which, strict=True)]
        expected = torch.tensor([truths(scene, n) for scene, n in zip(shown, which, strict=True)]).to(images.device)
        scores = judge(torch.stack(cuts), seen)
        is_pair = torch.tensor([len(scene.things) > 1 for scene in shown]).to(images.device)
        expected[is_pair, ASKED.index("place")] = -100  # cross_entropy leaves these out: two things have two places
        return torch.stack([F.cross_entropy(scores[asked], expected[:, i]) for i, asked in enumerate(ASKED)]).mean()

    return learn("judge", judge, loss_at, plan, folder)


@torch.no_grad()
def render(scenes: Sequence[Scene], autoencoder: AutoencoderKL, *, softly: bool) -> Tensor:
    """The true pictures (B, 3, H, W), or what the autoencoder leaves of them: the ceiling for what it decodes."""
    images = to_unit(draw_scenes(scenes, PIXELS).images.to(autoencoder.device))
    return autoencoder.decode(encode(autoencoder, images)).sample.clamp(-1, 1) if softly else images


@torch.no_grad()
def is_right(judge: Judge, images: Tensor, scenes: Sequence[Scene], which: int = 0) -> dict[str, Tensor]:
    """For each question (B,): whether the picture shows what the scene says of its n-th thing."""
    images = images.to(next(judge.parameters()).device)
    cuts = torch.stack([cut_out(image, scene, which) for image, scene in zip(images, scenes, strict=True)])
    expected = torch.tensor([truths(scene, which) for scene in scenes]).to(images.device)
    scores = judge(cuts, images)
    return {asked: scores[asked].argmax(1) == expected[:, i] for i, asked in enumerate(ASKED)}
