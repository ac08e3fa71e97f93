"""Pipelines that are told nothing, or another picture's latents."""

from typing import Any

from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    LDMSuperResolutionPipeline,
    UNet2DModel,
    VQModel,
)

from tests.worker.engine.conformance.case import Case, picture


def unet(in_channels: int = 3) -> UNet2DModel:
    return UNet2DModel(
        sample_size=8,
        in_channels=in_channels,
        out_channels=3,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )


def enlarging() -> dict[str, Any]:
    vqvae = VQModel(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=3,
        norm_num_groups=4,
        num_vq_embeddings=32,
    )
    return {"vqvae": vqvae, "unet": unet(6), "scheduler": DDIMScheduler()}


CASES = [
    Case(DDPMPipeline, lambda: {"unet": unet(), "scheduler": DDPMScheduler()}),
    Case(DDIMPipeline, lambda: {"unet": unet(), "scheduler": DDIMScheduler()}, lambda number: {"eta": number / 2}),
    Case(ConsistencyModelPipeline, lambda: {"unet": unet(), "scheduler": CMStochasticIterativeScheduler()}),
    Case(LDMSuperResolutionPipeline, enlarging, lambda number: {"image": picture(number, 8)}),
]
