"""The denoiser: a UNet on 32x32 latents that sees the text twice, through cross-attention and beside the timestep."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from worker.training.autoencoder import encode
from worker.training.captions import caption
from worker.training.chance import chance_for
from worker.training.loop import Plan, learn
from worker.training.scenes import Scene, Variety
from worker.training.stream import Drawn, Pace, Stream, to_unit
from worker.training.text_encoder import tokenize


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum, up to a share of the steps."""

    until: float
    variety: Variety
    pure_noise: float  # share of the samples that begin in nearly pure noise: there the text alone tells what to draw
    silence: float  # how often a caption leaves out what goes without saying


@dataclass(frozen=True)
class Curriculum:
    stages: tuple[Stage, ...]
    plan: Plan
    pace: Pace

    def stage(self, step: int) -> Stage:
        share = step / self.plan.steps
        return next((stage for stage in self.stages if share < stage.until), self.stages[-1])


def build_denoiser(text_width: int) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64, 128, 192),
        time_embedding_dim=256,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=4,
        norm_num_groups=16,
        # The caption as a whole, added to the timestep, scales and shifts every residual block: colours and kinds bind
        # within minutes. Cross-attention alone had not bound them after 50,000 samples.
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )
    unet.set_attn_processor(AttnProcessor())  # faster backward than scaled_dot_product_attention on a CPU
    return unet


def build_scheduler() -> DDIMScheduler:
    """Zero terminal signal, so that brightness is learned too (Lin et al., arXiv:2305.08891)."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )


@dataclass(frozen=True)
class Encoded:
    scenes: list[Scene]
    latents: Tensor  # (BLOCK, 4, h, w)
    cover: Tensor  # (BLOCK, 1, h, w), from 0 to 1: where the things are


class Artist(nn.Module):
    """What learns together: the denoiser and the text encoder."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        with torch.autocast(noisy.device.type, torch.bfloat16):
            states = self.text_encoder(tokens).last_hidden_state
            return self.unet(noisy, timesteps, encoder_hidden_states=states).sample.float()


def draw_timesteps(count: int, pure_noise: float) -> Tensor:
    """Most from the noisy side, and a share of them within the noisiest twentieth."""
    anywhere = (1000 * torch.rand(count) ** 0.6).long()
    return torch.where(torch.rand(count) < pure_noise, torch.randint(950, 1000, (count,)), anywhere).clamp(max=999)


def emphasis(cover: Tensor) -> Tensor:
    """Weighs things, which captions are about, above what is behind them; the smaller a thing, the more each pixel."""
    share = cover.mean((1, 2, 3), keepdim=True).clamp(min=0.1)
    return 1 + 0.5 * cover / share


def train_denoiser(
    folder: Path,
    autoencoder: AutoencoderKL,
    artist: Artist,
    tokenizer: CLIPTokenizer,
    curriculum: Curriculum,
    seed: int,
    drawers: Executor | None = None,
    saved: Callable[[int, Artist], None] | None = None,
) -> Artist:
    scheduler, device = build_scheduler(), autoencoder.device
    plan, stage = curriculum.plan, curriculum.stage

    def encoded(drawn: Drawn) -> Encoded:
        latents = encode(autoencoder, to_unit(drawn.images.to(device)))
        return Encoded(
            drawn.scenes, latents, F.interpolate(drawn.covers.to(latents) / 255, latents.shape[-2:], mode="area")
        )

    pixels = autoencoder.config.sample_size
    stream = Stream(f"{seed}/draw", lambda step: stage(step).variety, encoded, curriculum.pace, pixels, drawers)

    def loss_at(step: int) -> Tensor:
        stream.advance(step)
        chance = chance_for(f"{seed}/draw/{step}")
        torch.manual_seed(chance.getrandbits(60))
        lots = stream.choose(plan.batch, chance)
        latents, cover = (
            torch.stack(rows) for rows in zip(*((b.latents[i], b.cover[i]) for b, i in lots), strict=True)
        )
        silence = stage(step).silence
        texts = ["" if chance.random() < 0.1 else caption(block.scenes[i], chance, silence) for block, i in lots]
        noise, timesteps = torch.randn_like(latents), draw_timesteps(plan.batch, stage(step).pure_noise).to(device)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        predicted = artist(noisy, timesteps, tokenize(tokenizer, texts).to(device))
        error = (predicted - scheduler.get_velocity(latents, noise, timesteps)).square()
        return (error * emphasis(cover)).mean()

    return learn("artist", artist, loss_at, plan, folder, saved, slow={"text_encoder": 0.3})
