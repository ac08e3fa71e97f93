"""The autoencoder: 128x128 pixels to 4 channels of 32x32 latents and back."""

import random
from concurrent.futures import Executor
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor, nn

from worker.training.chance import chance_for
from worker.training.checkpoint import load_checkpoint
from worker.training.loop import Plan, learn
from worker.training.scenes import Variety
from worker.training.stream import Pace, Stream, draw_block, to_unit

PIXELS, CROP = 128, 64
SIGHTS = Variety(
    sizes=("normal", "normal", "big", "small"), styles=("outlined", "outlined", "flat", "shaded"), placed=0.2, pairs=0.2
)


def build_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
        latent_channels=4,
        sample_size=PIXELS,
        scaling_factor=1.0,
    )


def train_autoencoder(
    folder: Path, plan: Plan, seed: int, device: torch.device, drawers: Executor | None = None
) -> AutoencoderKL:
    """Learns on crops around the things: four times as many things a second as on whole pictures."""
    torch.manual_seed(seed)
    model = build_autoencoder().to(device)
    stream = Stream(f"{seed}/see", lambda _: SIGHTS, lambda drawn: drawn, Pace(8, 8, 48), PIXELS, drawers)

    def loss_at(step: int) -> Tensor:
        stream.advance(step)
        chance = chance_for(f"{seed}/see/{step}")
        torch.manual_seed(chance.getrandbits(60))
        lots = stream.choose(plan.batch, chance)
        crops = torch.stack([crop(drawn.images[i], drawn.covers[i, 0], chance) for drawn, i in lots])
        return reconstruction_loss(model, to_unit(crops.to(device)), guide=max(0.0, 1 - 3 * step / plan.steps))

    average = learn("autoencoder", model, loss_at, plan, folder)
    return fold_statistics(average, to_unit(draw_block(SIGHTS, f"{seed}/fold", PIXELS).images.to(device)))


def polish_decoder(
    folder: Path, model: AutoencoderKL, plan: Plan, variety: Variety, seed: int, drawers: Executor | None = None
) -> AutoencoderKL:
    """Teaches the decoder alone to draw finer; the latents stay as they are, and with them what a denoiser learned."""
    student = drawing_half(model).requires_grad_(True)
    stream = Stream(f"{seed}/polish", lambda _: variety, lambda drawn: drawn, Pace(8, 16, 48), PIXELS, drawers)

    def loss_at(step: int) -> Tensor:
        stream.advance(step)
        chance = chance_for(f"{seed}/polish/{step}")
        torch.manual_seed(chance.getrandbits(60))
        lots = stream.choose(plan.batch, chance)
        images = to_unit(torch.stack([drawn.images[i] for drawn, i in lots]).to(model.device))
        latents = encode(model, images)
        latents = latents + 0.05 * torch.randn_like(latents)  # a denoiser's latents are never quite exact
        with torch.autocast(images.device.type, torch.bfloat16):
            output = model.decode(latents).sample
        return picture_loss(output.float(), images)

    average = learn("decoder", student, loss_at, plan, folder)
    student.load_state_dict(average.state_dict())
    return model


def drawing_half(model: AutoencoderKL) -> nn.ModuleDict:
    return nn.ModuleDict({"decoder": model.decoder, "post_quant_conv": model.post_quant_conv})


def open_autoencoder(folder: Path) -> AutoencoderKL:
    """Opens a run's autoencoder, with the decoder as far as it has been polished."""
    model = AutoencoderKL.from_pretrained(folder / "vae").requires_grad_(False)
    load_checkpoint(folder / "decoder.safetensors", {"average": drawing_half(model)})
    return model


def reconstruction_loss(model: AutoencoderKL, images: Tensor, guide: float) -> Tensor:
    """The guide ties three latent channels to the small picture while they are new: colours come right in minutes."""
    with torch.autocast(images.device.type, torch.bfloat16):
        posterior = model.encode(images).latent_dist
        output = model.decode(posterior.sample()).sample
    mean = posterior.mean.float()
    loss = picture_loss(output.float(), images)
    if guide > 0:
        loss = loss + guide * F.l1_loss(mean[:, :3], 2 * F.avg_pool2d(images, images.shape[-1] // mean.shape[-1]))
    return loss + 5e-4 * posterior.kl().float().mean() / mean[0].numel()


def picture_loss(output: Tensor, images: Tensor) -> Tensor:
    """L1 + MSE + edges, and L1 again at a fourth and an eighth of the size."""
    loss = F.l1_loss(output, images) + F.mse_loss(output, images) + 0.5 * _edge_loss(output, images)
    for scale in (4, 8):
        loss = loss + F.l1_loss(F.avg_pool2d(output, scale), F.avg_pool2d(images, scale))
    return loss


def _edge_loss(output: Tensor, images: Tensor) -> Tensor:
    across = F.l1_loss(output.diff(dim=3), images.diff(dim=3))
    return across + F.l1_loss(output.diff(dim=2), images.diff(dim=2))


def crop(image: Tensor, cover: Tensor, chance: random.Random) -> Tensor:
    """(3, CROP, CROP), in three of four cases around a point of a thing."""
    side = image.shape[-1]
    y, x = chance.randrange(side), chance.randrange(side)
    covered = cover.nonzero()
    if len(covered) and chance.random() < 0.75:
        y, x = covered[chance.randrange(len(covered))].tolist()
    top, left = (min(max(at - CROP // 2, 0), side - CROP) for at in (y, x))
    return image[:, top : top + CROP, left : left + CROP]


@torch.no_grad()
def encode(model: AutoencoderKL, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, torch.bfloat16):
        return model.encode(images).latent_dist.mean.float()


@torch.no_grad()
def fold_statistics(model: AutoencoderKL, images: Tensor) -> AutoencoderKL:
    """Gives every latent channel mean 0 and deviation 1, inside the 1x1 convolutions, so that scaling_factor is 1."""
    latents = encode(model, images)
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out_of = model.quant_conv, model.post_quant_conv
    into.weight[:4] /= deviation[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / deviation
    into.bias[4:] -= 2 * deviation.log()
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= deviation[None, :, None, None]
    return model
