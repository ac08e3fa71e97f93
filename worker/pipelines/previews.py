"""Thumbnails of pictures that are still latents: how people see a picture develop."""

from dataclasses import dataclass
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

CELL_PIXELS = 8  # of the picture, for one of the thumbnail
LEAST_EXPLAINED = 0.5  # of the variance of the pictures; below, a thumbnail would show something else
MOST_CONTRAST = 1.5  # times that of the latents that were fitted
BLOCK_CELLS = 4
GRAIN = 0.3
QUALITY = 80


class PreviewImpossible(Exception):
    """Raised when no thumbnail can be made of a model's latents; says why."""


@dataclass(frozen=True)
class Previewer:
    """A linear map from a model's latents to small pictures, fitted to what the model itself makes of latents.

    Each cell of the latents' grid gives `scale` x `scale` pixels. It knows no family: packed latents are tokens in
    rows from the top left, which the fit confirms or refuses.
    """

    weights: Tensor  # (channels + 1, 3 * scale * scale)
    scale: int
    contrast: float

    @classmethod
    def fit(cls, latents: Tensor, images: Tensor) -> "Previewer":
        """Fits latents, as a pipeline's step callback sees them, to their decoded images (n, 3, height, width).

        By least squares. Raises PreviewImpossible.
        """
        grid = as_grid(latents, images.shape[-1], images.shape[-2])
        if not (grid.isfinite().all() and images.isfinite().all()):
            raise PreviewImpossible("its pictures are not all numbers")
        height, width = grid.shape[-2:]
        scale = max(1, images.shape[-2] // height // CELL_PIXELS)
        small = functional.interpolate(images.double(), (height * scale, width * scale), mode="area")
        cells, wanted = _rows(grid.double()), _rows(functional.pixel_unshuffle(small, scale))
        cells = functional.pad(cells, (0, 1), value=1.0)
        weights = torch.linalg.lstsq(cells, wanted, driver="gelsd").solution
        explained = 1 - float((cells @ weights - wanted).square().mean() / (wanted - wanted.mean(0)).square().mean())
        if not explained >= LEAST_EXPLAINED:  # nor is NaN enough, as where all pictures are of one colour
            raise PreviewImpossible(f"a linear map explains {explained:.0%} of its pictures' variance")
        return cls(weights.float(), scale, float(grid.std()))

    def thumbnails(self, latents: Tensor, width: int, height: int) -> Tensor:
        """Returns (n, 3, small height, small width) in [0, 1] for the latents of pictures of this size."""
        grid = as_grid(latents.float(), width, height)
        grid = grid * (MOST_CONTRAST * self.contrast / grid.std()).clamp(max=1)  # some schedulers' noise is 14 times it
        small = functional.linear(grid.movedim(1, -1), self.weights[:-1].T, self.weights[-1])  # (n, h, w, 3 s s)
        return functional.pixel_shuffle(small.movedim(-1, 1), self.scale).clamp(0, 1)


def specimen(latents: Tensor, width: int, height: int, seed: int = 0) -> Tensor:
    """Returns noise in the shape of these latents: in coarse blocks, of which a decoder makes all its colours.

    Raises PreviewImpossible.
    """
    chance = torch.Generator().manual_seed(seed)
    count, channels, rows, columns = as_grid(latents, width, height).shape
    blocks = torch.randn(count, channels, -(-rows // BLOCK_CELLS), -(-columns // BLOCK_CELLS), generator=chance)
    noise = functional.interpolate(blocks, scale_factor=BLOCK_CELLS)[..., :rows, :columns]
    noise = noise + GRAIN * torch.randn(noise.shape, generator=chance)
    listed = noise.flatten(2).transpose(1, 2) if latents.ndim == 3 else noise
    return listed.reshape(latents.shape).to(latents)


def as_grid(latents: Tensor, width: int, height: int) -> Tensor:
    """Returns latents as (n, channels, rows, columns), whether they are so, have one frame, or are a list of tokens.

    Raises PreviewImpossible.
    """
    shape = tuple(latents.shape)
    if len(shape) == 5 and shape[2] == 1:  # (n, channels, frames, rows, columns)
        latents = latents.squeeze(2)
    elif len(shape) == 3:  # (n, tokens, channels)
        cell = (width * height / shape[1]) ** 0.5
        rows, columns = round(height / cell), round(width / cell)
        if rows * columns == shape[1]:
            latents = latents.transpose(1, 2).unflatten(2, (rows, columns))
    if latents.ndim != 4 or latents.shape[-2] * width != latents.shape[-1] * height:
        raise PreviewImpossible(f"latents of shape {shape} are no grid over {width} x {height} pixels")
    return latents


def encode(thumbnails: Tensor) -> bytes:
    """The thumbnails of a run side by side, as WEBP."""
    strip = torch.cat(list(thumbnails), dim=-1).mul(255).round().byte().permute(1, 2, 0)
    file = BytesIO()
    Image.fromarray(strip.numpy()).save(file, "webp", quality=QUALITY)
    return file.getvalue()


def _rows(grid: Tensor) -> Tensor:
    return grid.movedim(1, -1).flatten(0, 2)  # (n * height * width, channels)
