import pytest
from diffusers import (
    DDPMPipeline,
    DDPMScheduler,
    DiffusionPipeline,
    FluxKontextPipeline,
    StableDiffusionImg2ImgPipeline,
    UNet2DModel,
)
from PIL import Image

from app.contract.catalogue import Catalogue
from app.contract.generation import Generation, GenerationRequest
from tests.worker.engine.conformance import flux, stable_diffusion
from worker.inputs import Inputs
from worker.pipelines.arguments import PromptReader, arguments


@pytest.fixture(scope="module")
def pipeline() -> DiffusionPipeline:
    return DiffusionPipeline.from_pretrained(Catalogue.read().find("mini").source)


def generation(**asked: object) -> Generation:
    return Catalogue.read().find("mini").fill(GenerationRequest.model_validate({"prompt": "a cat", **asked}))


def test_a_generation_is_put_in_the_words_of_the_pipeline(pipeline: DiffusionPipeline) -> None:
    asked = arguments(pipeline, generation(num_images=2, seed=5, num_inference_steps=3, guidance_scale=2.5))

    seeds = [generator.initial_seed() for generator in asked.pop("generator")]
    assert seeds == [5, 6]
    assert asked == {
        "prompt": "a cat",
        "negative_prompt": None,
        "width": 128,
        "height": 128,
        "num_images_per_prompt": 2,
        "num_inference_steps": 3,
        "guidance_scale": 2.5,
        "output_type": "pt",
    }


def test_a_pipeline_is_given_only_what_it_takes() -> None:
    unet = UNet2DModel(
        8, block_out_channels=(32, 32), down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2
    )
    unconditional = DDPMPipeline(unet, DDPMScheduler())
    asked = generation(negative_prompt="a dog")

    assert arguments(unconditional, asked).keys() == {"generator", "num_inference_steps", "output_type"}
    assert PromptReader(unconditional, "mini").warnings(asked) == [
        "negative_prompt: mini takes none, so it was left out."
    ]


def test_a_prompt_is_warned_of_only_if_its_end_is_cut(pipeline: DiffusionPipeline) -> None:
    reader = PromptReader(pipeline, "mini")
    readable = pipeline.tokenizer.model_max_length - 2  # it is put between a start and an end

    assert reader.warnings(generation(prompt="cat " * readable)) == []
    assert reader.warnings(generation(prompt="cat " * (readable + 1))) == [
        f"prompt: it has {readable + 3} tokens and mini reads {readable + 2}; the end was cut."
    ]


def test_reading_a_prompt_leaves_the_padding_of_the_pipelines_own_tokenizer_alone(pipeline: DiffusionPipeline) -> None:
    """A tokenizer keeps how it was last called, so another thread's call changed the picture of a run."""
    reader, tokenizer = PromptReader(pipeline, "mini"), pipeline.tokenizer
    tokenizer(["a cat"], padding="max_length", max_length=32, truncation=True)

    reader.warnings(generation(prompt="cat " * 100))

    assert tokenizer._tokenizer.truncation["max_length"] == 32
    assert tokenizer._tokenizer.padding["length"] == 32


@pytest.mark.parametrize(
    ("kind", "size"), [(StableDiffusionImg2ImgPipeline, (128, 128)), (FluxKontextPipeline, (40, 24))]
)
def test_a_picture_is_resized_where_it_is_drawn_over_and_left_where_it_is_looked_at(
    kind: type, size: tuple[int, int]
) -> None:
    built = next(case.build() for case in [*stable_diffusion.CASES, *flux.CASES] if case.kind is kind)
    inputs = Inputs(image=[Image.new("RGB", (40, 24))])

    assert arguments(built, generation(), inputs)["image"].size == size


def test_a_pipeline_gets_all_the_pictures_there_are() -> None:
    built = next(case.build() for case in flux.CASES if case.kind is FluxKontextPipeline)
    several = [Image.new("RGB", (40, 24)), Image.new("RGB", (24, 40))]

    assert arguments(built, generation(), Inputs(image=several))["image"] == several
