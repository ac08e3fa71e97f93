"""Pipelines that are told nothing, or what a picture lacks."""

from typing import Any

from diffusers import (
    DanceDiffusionPipeline,
    DDIMScheduler,
    IPNDMScheduler,
    KarrasVePipeline,
    KarrasVeScheduler,
    LDMPipeline,
    PNDMPipeline,
    PNDMScheduler,
    RePaintPipeline,
    RePaintScheduler,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    UNet1DModel,
    VQModel,
)

from tests.worker.engine.conformance.case import Case, mask, picture
from tests.worker.engine.conformance.unconditional import unet


def latent() -> dict[str, Any]:
    vqvae = VQModel(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=3,
        norm_num_groups=4,
    )
    return {"vqvae": vqvae, "unet": unet(), "scheduler": DDIMScheduler()}


def of_sound() -> dict[str, Any]:
    model = UNet1DModel(
        block_out_channels=(32, 32, 64),
        extra_in_channels=16,
        sample_size=512,
        sample_rate=16000,
        time_embedding_type="fourier",
        use_timestep_embedding=False,
        down_block_types=("DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D"),
        up_block_types=("AttnUpBlock1D", "UpBlock1D", "UpBlock1DNoSkip"),
    )
    embedding: Any = type(model.time_proj)
    model.time_proj = embedding(embedding_size=8, set_W_to_weight=False, log=False, flip_sin_to_cos=True)
    return {"unet": model, "scheduler": IPNDMScheduler()}


def repainted(number: int) -> dict[str, Any]:
    return {"image": picture(number, 8), "mask_image": mask(8), "jump_length": 2, "jump_n_sample": 2, "eta": 0.0}


CASES = [
    Case(DanceDiffusionPipeline, of_sound, lambda _number: {"audio_length_in_s": 512 / 16000}),
    Case(KarrasVePipeline, lambda: {"unet": unet(), "scheduler": KarrasVeScheduler()}),
    Case(LDMPipeline, latent),
    Case(PNDMPipeline, lambda: {"unet": unet(), "scheduler": PNDMScheduler()}),
    Case(RePaintPipeline, lambda: {"unet": unet(), "scheduler": RePaintScheduler()}, repainted),
    Case(ScoreSdeVePipeline, lambda: {"unet": unet(), "scheduler": ScoreSdeVeScheduler()}),
]
