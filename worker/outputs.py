"""Pictures leave the engine as tensors; here they are encoded, stored and described."""

import hashlib
from io import BytesIO

import torch
from PIL import Image

from app.contract.generation import Generation
from app.contract.job import StoredImage
from app.contract.storage import Storage
from worker.recipe import save_options


def store(images: torch.Tensor, generation: Generation, folder: str, storage: Storage) -> list[StoredImage]:
    """Stores (n, 3, height, width) pictures in [0, 1], on the host, under the folder, one object each."""
    stored = []
    for n, (picture, seed) in enumerate(zip(pictures(images), generation.seeds, strict=True)):
        content = encode(picture, generation, seed)
        key, content_type = f"{folder}/{n}.{generation.output.format}", f"image/{generation.output.format}"
        storage.put(key, content, content_type)
        stored.append(
            StoredImage(
                key=key,
                content_type=content_type,
                width=picture.width,
                height=picture.height,
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                seed=seed,
            )
        )
    return stored


def pictures(images: torch.Tensor) -> list[Image.Image]:
    """Rounds as diffusers does, so that the bytes are those of the stock pipeline."""
    rounded = (images.permute(0, 2, 3, 1).float().numpy() * 255).round().astype("uint8")  # (n, height, width, 3)
    return [Image.fromarray(each) for each in rounded]


def encode(picture: Image.Image, generation: Generation, seed: int) -> bytes:
    file, output = BytesIO(), generation.output
    options = {} if output.format == "png" else {"quality": output.quality}
    if output.metadata:
        options |= save_options(generation, seed)
    picture.save(file, output.format, **options)
    return file.getvalue()
