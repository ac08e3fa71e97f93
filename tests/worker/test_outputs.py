import asyncio
import hashlib
from io import BytesIO
from pathlib import Path

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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_pictures_have_the_very_bytes_of_the_stock_pipelines(dtype: torch.dtype) -> None:
    decoded = (1.2 * torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))).to(dtype)
    processor = VaeImageProcessor()

    ours = pictures(processor.postprocess(decoded, output_type="pt"))

    theirs = processor.postprocess(decoded, output_type="pil")
    assert [picture.tobytes() for picture in ours] == [picture.tobytes() for picture in theirs]


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
