"""OpenAI's own SDK, as it is, against the whole service."""

import asyncio
import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from tests.service.conftest import Service

CAT = "a cat wearing a space helmet"
QUICK = {"num_inference_steps": 4, "seed": 7}


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service.http.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def opened(b64_json: str | None) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(b64_json or "")))


def pixels(b64_json: str | None) -> "np.ndarray[Any, np.dtype[np.int16]]":
    return np.asarray(opened(b64_json).convert("RGB"), dtype=np.int16)


def png(picture: Image.Image) -> tuple[str, bytes, str]:
    file = BytesIO()
    picture.save(file, "PNG")
    return "picture.png", file.getvalue(), "image/png"


def test_a_generation_is_the_picture_that_the_native_api_gives(service: Service, client: openai.OpenAI) -> None:
    answer = client.images.generate(model="mini", prompt=CAT, size="128x128", quality="low", extra_body=QUICK)

    assert answer.data
    native = Image.open(BytesIO(service.picture(prompt=CAT, **QUICK)))
    assert opened(answer.data[0].b64_json).tobytes() == native.tobytes()
    assert (answer.size, answer.quality, answer.background) == ("128x128", "low", "opaque")
    assert answer.usage
    assert answer.usage.total_tokens == 0


def test_several_pictures_come_by_their_addresses(client: openai.OpenAI) -> None:
    asked = {"n": 2, "response_format": "url", "output_format": "webp", "extra_body": QUICK}
    answer = client.images.generate(prompt=CAT, **asked)  # type: ignore[call-overload]

    files = [httpx.get(each.url) for each in answer.data]

    assert [Image.open(BytesIO(file.content)).format for file in files] == ["WEBP", "WEBP"]
    assert files[0].content != files[1].content


def test_an_async_client_has_many_pictures_made_at_once(service: Service) -> None:
    async def generate() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{service.http.base_url}/v1", api_key="none") as client:
            asked = (client.images.generate(prompt=CAT, extra_body={**QUICK, "seed": seed}) for seed in range(4))
            return await asyncio.gather(*asked)

    answers = asyncio.run(generate())

    assert len({answer.data[0].b64_json for answer in answers}) == 4


def test_a_stream_brings_two_partial_images_and_the_picture(client: openai.OpenAI) -> None:
    stream = client.images.generate(prompt=CAT, stream=True, partial_images=2)

    *partial, completed = stream

    assert [each.type for each in partial] == ["image_generation.partial_image"] * 2
    assert [opened(each.b64_json).format for each in partial] == ["WEBP", "WEBP"]
    assert partial[0].b64_json != partial[1].b64_json
    assert completed.type == "image_generation.completed"
    assert opened(completed.b64_json).size == (128, 128)
    assert completed.usage.total_tokens == 0


def test_an_edit_with_a_mask_draws_anew_what_is_transparent(client: openai.OpenAI) -> None:
    picture = client.images.generate(prompt="a red ball", extra_body=QUICK).data
    assert picture
    mask = Image.new("RGBA", (128, 128), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 128, 64))

    image = png(opened(picture[0].b64_json))
    edited = client.images.edit(image=image, mask=png(mask), prompt="a blue cube", extra_body={**QUICK, "seed": 8})

    assert edited.data
    change = np.abs(pixels(edited.data[0].b64_json) - pixels(picture[0].b64_json)).mean(axis=(1, 2))
    assert change[:56].mean() > 3 * change[72:].mean()


def test_an_edit_of_two_pictures_is_streamed_and_says_which_is_used(client: openai.OpenAI) -> None:
    images = [png(Image.new("RGB", (128, 128), colour)) for colour in ("navy", "white")]

    *_, completed = client.images.edit(image=images, prompt=CAT, stream=True, extra_body={**QUICK, "strength": 0.5})

    assert completed.type == "image_edit.completed"
    assert completed.model_extra
    assert completed.model_extra["warnings"] == ["image: mini looks at 1 of the 2 pictures."]
    assert pixels(completed.b64_json)[..., 2].mean() > pixels(completed.b64_json)[..., 0].mean()
