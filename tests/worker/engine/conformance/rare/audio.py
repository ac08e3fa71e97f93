from typing import Any

from diffusers import AudioLDMPipeline, AutoencoderKL, DDIMScheduler
from transformers import ClapTextConfig, ClapTextModelWithProjection, SpeechT5HifiGan, SpeechT5HifiGanConfig

from tests.worker.engine.conformance.case import Case
from tests.worker.engine.conformance.parts import VOCABULARY, tokenizer
from tests.worker.engine.tiny_pipelines import unet


def parts() -> dict[str, Any]:
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
    )
    conditioned = {"class_embed_type": "simple_projection", "projection_class_embeddings_input_dim": 16}
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    vocoder = SpeechT5HifiGanConfig(
        model_in_dim=8,
        sampling_rate=16000,
        upsample_initial_channel=16,
        upsample_rates=[2, 2],
        upsample_kernel_sizes=[4, 4],
        resblock_kernel_sizes=[3, 7],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]],
        normalize_before=False,
    )
    denoiser: Any = unet(cross_attention_dim=(8, 16), class_embeddings_concat=True, **conditioned)  # type: ignore[arg-type]
    speaker = SpeechT5HifiGan(vocoder)
    for weight in speaker.parameters():
        weight.data.mul_(8)  # it begins with a whisper
    return {
        "vae": vae,
        "text_encoder": ClapTextModelWithProjection(ClapTextConfig(**sizes, vocab_size=VOCABULARY, projection_dim=16)),
        "tokenizer": tokenizer(),
        "unet": denoiser,
        "scheduler": DDIMScheduler(),
        "vocoder": speaker,
    }


CASES = [Case(AudioLDMPipeline, parts, lambda _number: {"audio_length_in_s": 0.016})]
