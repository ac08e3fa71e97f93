from typing import Any

import pytest
from pydantic import ValidationError

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest
from app.openai.request import EditRequest, ImageRequest

MINI = Catalogue.read().find("mini")


def asks(**fields: Any) -> GenerationRequest:
    return ImageRequest(prompt="a cat", **fields).asks_of(MINI)


def test_a_prompt_alone_leaves_everything_but_the_steps_to_the_model() -> None:
    request = asks()

    expected = GenerationRequest(model="mini", prompt="a cat", num_inference_steps=20)
    assert request == expected


def test_every_field_finds_its_place_in_the_job() -> None:
    request = asks(
        model="mini",
        n=2,
        size="64x128",
        output_format="webp",
        output_compression=40,
        stream=True,
        partial_images=3,
        user="ann",
        safety_identifier="5f3a",
        negative_prompt="dog",
        num_inference_steps=7,
        guidance_scale=1,
        seed=5,
        scheduler="DDIMScheduler",
        loras=[{"name": "ink", "scale": 0.5}],
    )

    assert request == GenerationRequest.model_validate(
        {
            "model": "mini",
            "prompt": "a cat",
            "num_images": 2,
            "width": 64,
            "height": 128,
            "output": {"format": "webp", "quality": 40},
            "previews": 3,
            "metadata": {"user": "ann", "safety_identifier": "5f3a"},
            "negative_prompt": "dog",
            "num_inference_steps": 7,
            "guidance_scale": 1.0,
            "seed": 5,
            "scheduler": "DDIMScheduler",
            "loras": [{"name": "ink", "scale": 0.5}],
        }
    )


def test_an_edit_has_a_strength() -> None:
    request = EditRequest(prompt="a cat", strength="0.4")  # type: ignore[arg-type]  # a form holds texts

    assert request.asks_of(MINI).strength == 0.4


@pytest.mark.parametrize(
    ("quality", "steps", "told"),
    [
        ("low", 10, "low"),
        ("medium", 20, "medium"),
        ("auto", 20, "medium"),
        ("standard", 20, "medium"),
        ("high", 30, "high"),
        ("hd", 30, "high"),
        ("xhigh", 40, "xhigh"),
        ("max", 60, "max"),
    ],
)
def test_quality_is_the_number_of_steps_beside_the_models_default(quality: Any, steps: int, told: str) -> None:
    request = ImageRequest(prompt="a cat", quality=quality)

    assert (request.asks_of(MINI).num_inference_steps, request.level) == (steps, told)


def test_quality_stays_within_the_models_limits() -> None:
    few = MINI.model_copy(update={"defaults": MINI.defaults.model_copy(update={"num_inference_steps": 1})})
    many = MINI.model_copy(update={"defaults": MINI.defaults.model_copy(update={"num_inference_steps": 90})})

    fewest = ImageRequest(prompt="", quality="low").asks_of(few).num_inference_steps
    most = ImageRequest(prompt="", quality="max").asks_of(many).num_inference_steps

    assert [fewest, most] == [1, MINI.limits.max_num_inference_steps]


def test_partial_images_without_a_stream_are_not_made() -> None:
    assert asks(partial_images=2).previews == 0


def test_an_automatic_size_is_the_models() -> None:
    request = asks(size="auto")

    assert (request.width, request.height) == (None, None)


def test_what_has_no_effect_is_said() -> None:
    request = ImageRequest(prompt="a cat", style="vivid", moderation="low")

    assert [each.split(":")[0] for each in request.without_effect] == ["moderation", "style"]


@pytest.mark.parametrize(
    "field",
    [
        {"size": "big"},
        {"size": "0x64"},
        {"n": 0},
        {"n": 11},
        {"n": "2"},
        {"background": "transparent"},
        {"output_format": "gif"},
        {"partial_images": 4},
        {"frame_count": 3},
    ],
)
def test_what_cannot_be_done_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageRequest(prompt="a cat", **field)
