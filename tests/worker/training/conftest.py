import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

from worker.training.denoiser import Artist
from worker.training.export import build_pipeline
from worker.training.judge import Judge
from worker.training.text_encoder import WIDTH, build_text_encoder
from worker.training.tokenizer import build_tokenizer


@pytest.fixture(scope="package")
def untaught_pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    """Draws 128x128 pixels of nothing much, quickly."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer(tmp_path_factory.mktemp("untaught") / "vocabulary", seed=0, captions=500)
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(4, 4, 4), layers_per_block=1, norm_num_groups=2, mid_block_add_attention=False,
        sample_size=128, scaling_factor=1.0,
    ).requires_grad_(False)  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=32, block_out_channels=(4, 4, 8), layers_per_block=1, norm_num_groups=4, attention_head_dim=2,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH, addition_embed_type="text", addition_embed_type_num_heads=2,
    )  # fmt: skip
    return build_pipeline(autoencoder, Artist(unet, build_text_encoder(tokenizer)), tokenizer)


@pytest.fixture(scope="package")
def untaught_judge() -> Judge:
    torch.manual_seed(0)
    return Judge()
