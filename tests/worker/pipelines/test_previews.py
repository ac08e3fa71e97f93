from io import BytesIO
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline, QwenImagePipeline
from PIL import Image
from torch import Tensor
from torch.nn import functional

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest
from tests.worker.pipelines.conftest import CPU
from worker.engine import Engine
from worker.pipelines.arguments import arguments
from worker.pipelines.previews import Previewer, PreviewImpossible, as_grid, encode, specimen
from worker.pipelines.warming import LoadedModel

SIZE = {"width": 64, "height": 32}


def latents(*shape: int) -> Tensor:
    return specimen(torch.zeros(shape), **SIZE)


def decoded(grid: Tensor, cell: int) -> Tensor:
    """A decoder of one cell's channels to that cell's pixels, with a bend."""
    chance = torch.Generator().manual_seed(1)
    mix = torch.randn(3, grid.shape[1], generator=chance) / grid.shape[1] ** 0.5
    colours = torch.einsum("ij,njhw->nihw", mix, grid)
    return functional.interpolate(torch.sigmoid(colours), scale_factor=cell)


def packed(grid: Tensor) -> Tensor:
    """Two by two cells become a token, as FLUX and its like pack them."""
    return functional.pixel_unshuffle(grid, 2).flatten(2).transpose(1, 2)


@pytest.mark.parametrize("channels", [3, 4, 16, 32])
def test_latents_of_any_number_of_channels_are_fitted(channels: int) -> None:
    grid = latents(2, channels, 4, 8)
    pictures = decoded(grid, cell=8)

    thumbnails = Previewer.fit(grid, pictures).thumbnails(grid, **SIZE)

    assert thumbnails.shape == (2, 3, 4, 8)
    assert functional.mse_loss(thumbnails, pictures[..., ::8, ::8]) < 0.1 * pictures.var()


def test_packed_latents_give_thumbnails_as_fine_as_unpacked_ones() -> None:
    big = {"width": 256, "height": 128}
    grid = specimen(torch.zeros(2, 4, 16, 32), **big)
    pictures = decoded(grid, cell=8)

    thumbnails = Previewer.fit(packed(grid), pictures).thumbnails(packed(grid), **big)

    assert thumbnails.shape == (2, 3, 16, 32)
    assert functional.mse_loss(thumbnails, pictures[..., ::8, ::8]) < 0.1 * pictures.var()


@pytest.mark.parametrize("family", [FluxPipeline, QwenImagePipeline])
def test_tokens_are_laid_out_as_the_pipelines_themselves_unpack_them(family: Any) -> None:
    tokens = torch.randn(2, 4 * 6, 64)

    grid = as_grid(tokens, width=96, height=64)

    unpacked = family._unpack_latents(tokens, 64, 96, 8).reshape(2, 16, 8, 12)
    assert grid.equal(functional.pixel_unshuffle(unpacked, 2))


def test_a_map_serves_pictures_of_other_sizes() -> None:
    grid = latents(2, 4, 4, 8)
    previewer = Previewer.fit(grid, decoded(grid, cell=8))

    assert previewer.thumbnails(torch.randn(1, 4, 6, 6), width=48, height=48).shape == (1, 3, 6, 6)


def test_the_noise_of_schedulers_that_begin_far_out_is_brought_into_sight() -> None:
    grid = latents(1, 4, 4, 8)
    previewer = Previewer.fit(grid, decoded(grid, cell=8))

    calm, wild = (previewer.thumbnails(times * torch.randn_like(grid), **SIZE) for times in (1.5, 15))

    assert wild.std() < 1.3 * calm.std()


@pytest.mark.parametrize("shape", [(2, 31, 4), (1, 4, 3, 4, 8), (2, 4, 8, 8), (32, 4)])
def test_latents_that_are_no_grid_over_the_picture_have_no_preview(shape: tuple[int, ...]) -> None:
    with pytest.raises(PreviewImpossible, match="are no grid over 64 x 32 pixels"):
        as_grid(torch.zeros(shape), **SIZE)


def test_latents_of_one_frame_are_a_grid() -> None:
    assert as_grid(torch.zeros(2, 16, 1, 4, 8), **SIZE).shape == (2, 16, 4, 8)


@pytest.mark.parametrize(
    ("pictures", "reason"),
    [
        (torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0)), "a linear map explains"),
        (torch.zeros(2, 3, 32, 64), "a linear map explains"),
        (torch.full((2, 3, 32, 64), torch.nan), "not all numbers"),
    ],
)
def test_pictures_that_no_linear_map_explains_have_no_preview(pictures: Tensor, reason: str) -> None:
    with pytest.raises(PreviewImpossible, match=reason):
        Previewer.fit(latents(2, 4, 4, 8), pictures)


@pytest.mark.parametrize("shape", [(2, 4, 5, 7), (2, 16, 1, 5, 7), (2, 35, 64)])
def test_a_specimen_looks_like_the_latents_that_it_replaces(shape: tuple[int, ...]) -> None:
    like = torch.zeros(shape, dtype=torch.float16)

    noise = specimen(like, width=70, height=50)

    assert (noise.shape, noise.dtype) == (like.shape, like.dtype)
    assert 0.7 < noise.float().std() < 1.5


def test_the_pictures_of_a_run_are_encoded_side_by_side() -> None:
    content = encode(torch.rand(3, 3, 16, 24))

    picture = Image.open(BytesIO(content))
    assert (picture.format, picture.size) == ("WEBP", (72, 16))


def test_the_last_preview_of_the_embedded_model_resembles_its_picture(engine: Engine) -> None:
    model = Catalogue.read().find("mini")
    warm = LoadedModel.load(model, CPU, engine).warm()
    generation = model.fill(GenerationRequest(prompt="a red car on a road", seed=3, num_inference_steps=8))
    seen: list[Tensor] = []

    asked = arguments(warm.pipelines.of(generation), generation)
    run = engine.submit(
        warm.pipelines.of(generation), **asked, on_step=lambda _step, _total, latents: seen.append(latents)
    )
    image = run.result().images

    assert warm.previewer
    errors = []
    for each in (seen[0], seen[-1]):
        thumbnail = warm.previewer.thumbnails(each, 128, 128)
        small = functional.interpolate(image, thumbnail.shape[-2:], mode="area")
        errors.append(float(functional.mse_loss(thumbnail, small) / small.var()))
    assert errors[1] < 0.3 < errors[0]
