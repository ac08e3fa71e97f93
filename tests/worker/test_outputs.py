import asyncio
import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from app.contract.catalogue import Catalogue
from app.contract.generation import Generation, GenerationRequest
from app.contract.storage import Storage
from worker.outputs import pictures, store


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path.as_uri())


def generation(**asked: object) -> Generation:
    request = GenerationRequest.model_validate({"prompt": "a cat", "seed": 3, **asked})
    return Catalogue.read().find("mini").fill(request)


def test_pictures_are_rounded_as_diffusers_rounds_them() -> None:
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))

    ours = [np.asarray(picture) for picture in pictures(images)]

    theirs = VaeImageProcessor.numpy_to_pil(VaeImageProcessor.pt_to_numpy(images))
    assert [picture.tolist() for picture in ours] == [np.asarray(picture).tolist() for picture in theirs]


def test_every_picture_is_stored_with_its_true_description(storage: Storage) -> None:
    stored = store(torch.rand(2, 3, 16, 24), generation(num_images=2), "job/run", storage)

    contents = [asyncio.run(storage.get(image.key)) for image in stored]
    assert [image.seed for image in stored] == [3, 4]
    assert [(image.width, image.height) for image in stored] == [(24, 16)] * 2
    assert [image.bytes for image in stored] == [len(content) for content in contents]
    assert [image.sha256 for image in stored] == [hashlib.sha256(content).hexdigest() for content in contents]


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_a_picture_has_the_format_that_was_asked_for(storage: Storage, output_format: str) -> None:
    [image] = store(torch.rand(1, 3, 16, 16), generation(output={"format": output_format}), "job/run", storage)

    assert Image.open(BytesIO(asyncio.run(storage.get(image.key)))).format == output_format.upper()
    assert image.content_type == f"image/{output_format}"


def test_a_lower_quality_makes_fewer_bytes(storage: Storage) -> None:
    images = torch.rand(1, 3, 64, 64)

    sizes = [
        store(images, generation(output={"format": "jpeg", "quality": quality}), f"job/{quality}", storage)[0].bytes
        for quality in (20, 90)
    ]

    assert sizes[0] < sizes[1]
