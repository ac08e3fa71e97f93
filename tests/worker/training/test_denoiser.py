from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTokenizer

from worker.training.checkpoint import save_checkpoint
from worker.training.denoiser import (
    Artist,
    Curriculum,
    Stage,
    build_denoiser,
    build_scheduler,
    draw_timesteps,
    emphasis,
    train_denoiser,
)
from worker.training.export import export, export_run
from worker.training.loop import Plan
from worker.training.scenes import WHOLE_WORLD, Variety
from worker.training.stream import Pace
from worker.training.text_encoder import WIDTH, build_text_encoder
from worker.training.tokenizer import build_tokenizer

STAGES = (
    Stage(until=0.5, variety=Variety(), pure_noise=0.5, silence=0.0),
    Stage(until=1.0, variety=WHOLE_WORLD, pure_noise=0.1, silence=0.5),
)
CURRICULUM = Curriculum(
    STAGES, Plan(steps=6, batch=2, rate=1e-3, warmup=1, save_every=3), Pace(start=1, every=4, size=2)
)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    return build_tokenizer(tmp_path_factory.mktemp("run") / "vocabulary", seed=0, captions=500)


def build_tiny_autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, norm_num_groups=2, mid_block_add_attention=False,
        sample_size=32, scaling_factor=1.0,
    )  # fmt: skip


def build_tiny_artist(tokenizer: CLIPTokenizer) -> Artist:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH, addition_embed_type="text", addition_embed_type_num_heads=2,
    )  # fmt: skip
    return Artist(unet, build_text_encoder(tokenizer))


def train(folder: Path, tokenizer: CLIPTokenizer, dies_after: int | None = None) -> dict[str, Tensor]:
    def saved(step: int, _: Artist) -> None:
        if step == dies_after:
            raise Killed

    artist = build_tiny_artist(tokenizer)
    return train_denoiser(folder, build_tiny_autoencoder(), artist, tokenizer, CURRICULUM, 5, None, saved).state_dict()


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path: Path, tokenizer: CLIPTokenizer) -> None:
    uninterrupted = train(tmp_path / "uninterrupted", tokenizer)
    with pytest.raises(Killed):
        train(tmp_path / "killed", tokenizer, dies_after=3)

    resumed = train(tmp_path / "killed", tokenizer)

    assert all(torch.equal(resumed[key], uninterrupted[key]) for key in uninterrupted)


def test_both_the_denoiser_and_the_text_encoder_learn(tmp_path: Path, tokenizer: CLIPTokenizer) -> None:
    before = build_tiny_artist(tokenizer).state_dict()

    after = train(tmp_path, tokenizer)
    changed = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}

    assert changed == {"unet", "text_encoder"}


def test_what_is_exported_opens_in_plain_diffusers(tmp_path: Path, tokenizer: CLIPTokenizer) -> None:
    build_tokenizer(tmp_path / "vocabulary", seed=0, captions=500)
    export(
        tmp_path / "model", build_tiny_autoencoder(), build_tiny_artist(tokenizer), tokenizer, tmp_path / "vocabulary"
    )

    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    picture = pipeline("a cat", num_inference_steps=2).images[0]

    assert picture.size == (32, 32)


def test_the_last_timestep_is_pure_noise() -> None:
    remaining = build_scheduler().alphas_cumprod

    assert remaining[-1] == pytest.approx(0, abs=1e-6)
    assert remaining[0] > 0.99


def test_timesteps_lean_to_the_noisy_side() -> None:
    torch.manual_seed(0)

    timesteps = draw_timesteps(10_000, pure_noise=0.4)

    assert 0.4 < (timesteps >= 950).float().mean() < 0.5
    assert timesteps.max() <= 999
    assert timesteps.min() >= 0


def test_a_small_thing_weighs_as_much_as_a_large_one() -> None:
    cover = torch.zeros(3, 1, 10, 10)
    cover[0, :, :2, :5], cover[1, :, :5] = 1, 1

    weights = emphasis(cover)
    things = ((weights - 1) * cover).sum((1, 2, 3))

    assert things.tolist() == pytest.approx([50, 50, 0])
    assert weights.min() == 1
    assert weights[2].max() == 1


def test_the_stages_follow_one_another() -> None:
    assert [CURRICULUM.stage(step) for step in (0, 2, 3, 5, 6)] == [STAGES[0]] * 2 + [STAGES[1]] * 3


def test_a_checkpoint_becomes_a_model_at_any_time(tmp_path: Path, tokenizer: CLIPTokenizer) -> None:
    build_tokenizer(tmp_path / "vocabulary", seed=0, captions=500)
    build_tiny_autoencoder().save_pretrained(tmp_path / "vae")
    artist = Artist(build_denoiser(WIDTH), build_text_encoder(tokenizer))
    artist.text_encoder.save_pretrained(tmp_path / "text_encoder")
    modules = {"student": Artist(build_denoiser(WIDTH), build_text_encoder(tokenizer)), "average": artist}
    save_checkpoint(tmp_path / "artist.safetensors", 40, modules, torch.optim.AdamW(artist.parameters()))

    step = export_run(tmp_path, tmp_path / "model")
    exported = UNet2DConditionModel.from_pretrained(tmp_path / "model/unet")

    assert step == 40
    assert torch.allclose(exported.conv_in.weight.float(), artist.unet.conv_in.weight, atol=1e-3)


def test_what_was_not_saved_is_not_exported(tmp_path: Path, tokenizer: CLIPTokenizer) -> None:
    build_text_encoder(tokenizer).save_pretrained(tmp_path / "text_encoder")

    with pytest.raises(SystemExit, match="has not been saved"):
        export_run(tmp_path, tmp_path / "model")
