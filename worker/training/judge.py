"""A judge that has seen the true drawings: says what is in a picture, so that adherence is measured and not felt."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor, nn

from worker.training.autoencoder import PIXELS, encode
from worker.training.chance import chance_for
from worker.training.loop import Plan, learn
from worker.training.scenes import Scene, Variety, sample_scene
from worker.training.stream import draw_scenes, to_unit
from worker.training.text_encoder import QUESTIONS, answers
from worker.training.world import KINDS

ASKED = ("kind", "colour", "wear", "background")
CROP = 64
BANK = 3072
PLAN = Plan(steps=1200, batch=48, rate=2e-3, warmup=50, decay=0.5, averaging=0.98)


class Judge(nn.Module):
    """Looks twice: at the thing's place, cut out and brought to 64 pixels, and at the whole picture at 32."""

    def __init__(self) -> None:
        super().__init__()
        self.thing, self.whole = _eye(16, 32, 64, 96), _eye(8, 16, 32)
        self.heads = nn.ModuleDict(
            {asked: nn.Linear(32 if asked == "background" else 96, len(QUESTIONS[asked])) for asked in ASKED}
        )

    def forward(self, images: Tensor, scenes: Sequence[Scene]) -> dict[str, Tensor]:
        """Scores (B, choices) for each question about the first thing of each scene."""
        thing = self.thing(torch.stack([cut_out(image, scene) for image, scene in zip(images, scenes, strict=True)]))
        whole = self.whole(F.interpolate(images, (32, 32), mode="area"))
        return {asked: head(whole if asked == "background" else thing) for asked, head in self.heads.items()}


def _eye(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, width in zip((3, *widths), widths, strict=False):
        layers += [
            nn.Conv2d(before, width, 3, 2, 1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.ReLU(),
        ]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * widths[-1], widths[-1]), nn.ReLU()
    )


def cut_out(image: Tensor, scene: Scene) -> Tensor:
    """(3, CROP, CROP): the box around the place where the scene's first thing should be."""
    thing, side = scene.things[0], image.shape[-1]
    reach = 1.25 * scene.radius(thing)
    spans = [
        slice(max(0, round((at - reach) * side)), min(side, round((at + reach) * side))) for at in scene.centre(thing)
    ]
    return F.interpolate(image[None, :, spans[1], spans[0]], (CROP, CROP), mode="bilinear")[0]


def train_judge(folder: Path, autoencoder: AutoencoderKL, variety: Variety, seed: int) -> Judge:
    """Learns on true drawings, every second one of them through the autoencoder, whose softness must not matter."""
    torch.manual_seed(seed)
    judge, chance = Judge().to(autoencoder.device), chance_for(f"{seed}/judge")
    scenes = [sample_scene(variety, chance.getrandbits(40), held_out=chance.random() < 0.1) for _ in range(BANK)]
    images = torch.cat([render(scenes[i : i + 64], autoencoder, softly=i % 128 == 0) for i in range(0, BANK, 64)])
    expected = torch.tensor([answers(scene) for scene in scenes]).to(autoencoder.device)

    def loss_at(step: int) -> Tensor:
        lots = chance_for(f"{seed}/judge/{step}").sample(range(BANK), PLAN.batch)
        scores = judge(images[lots], [scenes[i] for i in lots])
        losses = [F.cross_entropy(scores[asked], expected[lots, list(QUESTIONS).index(asked)]) for asked in ASKED]
        return torch.stack(losses).mean()

    return learn("judge", judge, loss_at, PLAN, folder)


@torch.no_grad()
def render(scenes: Sequence[Scene], autoencoder: AutoencoderKL, *, softly: bool) -> Tensor:
    """The true pictures (B, 3, H, W), or what the autoencoder leaves of them: the ceiling for what it decodes."""
    images = to_unit(draw_scenes(scenes, PIXELS).images.to(autoencoder.device))
    return autoencoder.decode(encode(autoencoder, images)).sample.clamp(-1, 1) if softly else images


@torch.no_grad()
def score(judge: Judge, images: Tensor, scenes: Sequence[Scene]) -> dict[str, float]:
    """The share of right answers to each question; `wear` is asked of those only who may wear something."""
    images = images.to(next(judge.parameters()).device)
    expected = torch.tensor([answers(scene) for scene in scenes]).to(images.device)
    right = {
        asked: scores.argmax(1) == expected[:, list(QUESTIONS).index(asked)]
        for asked, scores in judge(images, scenes).items()
    }
    wearers = torch.tensor([KINDS[scene.things[0].kind].wears for scene in scenes]).to(images.device)
    right["wear"] = right["wear"][wearers]
    return {asked: hits.float().mean().item() for asked, hits in right.items()}
