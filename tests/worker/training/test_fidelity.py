import pytest
import torch
from diffusers import StableDiffusionPipeline

from worker.training.adherence import held_out_scenes
from worker.training.fidelity import fidelity, psnr


def test_decibels_count_from_the_whole_range() -> None:
    black, gray = -torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)

    assert psnr(gray, black).item() == pytest.approx(6.02, abs=0.01)


def test_only_the_pixels_in_question_count() -> None:
    black, half = -torch.ones(2, 3, 4, 4), -torch.ones(2, 3, 4, 4)
    half[..., :2], where = 1.0, torch.ones(2, 1, 4, 4)
    where[..., :2] = 0

    assert psnr(half + 0.2 * where, black, where).tolist() == pytest.approx([20, 20], abs=0.01)


def test_an_untaught_autoencoder_loses_the_picture(untaught_pipeline: StableDiffusionPipeline) -> None:
    assert 0 < fidelity(untaught_pipeline.vae, held_out_scenes(3, seed=0)) < 15
