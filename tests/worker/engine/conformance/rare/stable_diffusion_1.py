"""Pipelines that diffusers keeps for those who know them, over the parts of SD 1."""

from typing import Any

from diffusers import (
    AltDiffusionImg2ImgPipeline,
    AltDiffusionPipeline,
    CycleDiffusionPipeline,
    DDIMParallelScheduler,
    DDIMScheduler,
    PaintByExamplePipeline,
    SemanticStableDiffusionPipeline,
    StableDiffusionAttendAndExcitePipeline,
    StableDiffusionGLIGENTextImagePipeline,
    StableDiffusionImageVariationPipeline,
    StableDiffusionInpaintPipelineLegacy,
    StableDiffusionLDM3DPipeline,
    StableDiffusionModelEditingPipeline,
    StableDiffusionParadigmsPipeline,
    StableDiffusionPipelineSafe,
    TextToVideoZeroPipeline,
    TextToVideoZeroSDXLPipeline,
)
from diffusers.pipelines.deprecated.alt_diffusion.modeling_roberta_series import (
    RobertaSeriesConfig,
    RobertaSeriesModelWithTransformation,
)
from diffusers.pipelines.deprecated.paint_by_example import PaintByExampleImageEncoder
from diffusers.pipelines.deprecated.stable_diffusion_gligen.pipeline_stable_diffusion_gligen_text_image import (
    CLIPImageProjection,
)
from transformers import CLIPProcessor, CLIPVisionModelWithProjection

from tests.worker.engine.conformance import stable_diffusion_xl
from tests.worker.engine.conformance.case import Case, from_picture, photo
from tests.worker.engine.conformance.older_stable_diffusion import gated, grounded
from tests.worker.engine.conformance.parts import VOCABULARY, tokenizer
from tests.worker.engine.conformance.rare.seeing import looking, reading
from tests.worker.engine.conformance.stable_diffusion import parts
from tests.worker.engine.tiny_pipelines import vae

UNCLIPPED = {"clip_sample": False, "set_alpha_to_one": False, "beta_schedule": "scaled_linear", "beta_end": 0.012}


def of_depth() -> dict[str, Any]:
    return parts() | {"image_encoder": None, "vae": vae(in_channels=6, out_channels=6)}


def in_parallel() -> dict[str, Any]:
    return parts() | {"scheduler": DDIMParallelScheduler()}


def reversible() -> dict[str, Any]:
    return parts() | {"scheduler": DDIMScheduler(**UNCLIPPED)}


def in_many_languages() -> dict[str, Any]:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = RobertaSeriesConfig(**sizes, project_dim=16, vocab_size=VOCABULARY, max_position_embeddings=32)
    return parts() | {"text_encoder": RobertaSeriesModelWithTransformation(config)}


def seeing() -> dict[str, Any]:
    known = parts() | {"image_encoder": CLIPVisionModelWithProjection(looking()), "feature_extractor": reading()}
    return without(known, "text_encoder", "tokenizer")


def by_example() -> dict[str, Any]:
    encoder = PaintByExampleImageEncoder(looking(), proj_size=16)
    known = parts(in_channels=9) | {"image_encoder": encoder, "feature_extractor": reading()}
    return without(known, "text_encoder", "tokenizer", "requires_safety_checker")


def gated_by_pictures() -> dict[str, Any]:
    known = gated() | {"unet": parts(attention_type="gated-text-image")["unet"]}
    return known | {
        "processor": CLIPProcessor(image_processor=reading(), tokenizer=tokenizer()),
        "image_encoder": CLIPVisionModelWithProjection(looking()),
        "image_project": CLIPImageProjection(hidden_size=16),
    }


def of_xl() -> dict[str, Any]:
    return stable_diffusion_xl.parts() | {"scheduler": DDIMScheduler()}


def without(known: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: part for name, part in known.items() if name not in names}


def edited(number: int) -> dict[str, Any]:
    count = 1 + number % 2
    return {
        "editing_prompt": ["a hat", "sun"][:count],
        "reverse_editing_direction": [False, True][:count],
        "edit_warmup_steps": [1, 2][:count],
        "edit_guidance_scale": [3.0, 2.0][:count],
        "edit_threshold": [0.8, 0.7][:count],
        "edit_weights": [1.0, 1.0][:count],
        "guidance_scale": 4.0 + number,
    }


def safe(number: int) -> dict[str, Any]:
    return {"sld_guidance_scale": (2000, 0, 500)[number], "sld_warmup_steps": (1, 2, 0)[number]}


def masked(number: int) -> dict[str, Any]:
    return {"image": photo(number, 16), "mask_image": photo(number + 5, 16).convert("L"), "guidance_scale": 3.0}


def legacy(number: int) -> dict[str, Any]:
    return {"image": photo(number), "mask_image": photo(number + 5).convert("L"), "strength": 0.8}


def from_another(number: int) -> dict[str, Any]:
    return {"image": photo(number, 32), "source_prompt": "an elephant", "strength": 0.8, "guidance_scale": 3.0 + number}


def excited(number: int) -> dict[str, Any]:
    """Moves the latents along gradients, which no other run may share a pass with."""
    every = {"token_indices": [2, 4], "max_iter_to_alter": 2, "thresholds": {0: 0.5}, "attn_res": (4, 4)}
    return every | {"guidance_scale": 4.0 + number}


def moving(number: int) -> dict[str, Any]:
    return {"video_length": 2, "t0": 1, "t1": 3, "num_inference_steps": 5 + number % 2, "guidance_scale": 3.0 + number}


CASES = [
    Case(AltDiffusionPipeline, in_many_languages),
    Case(AltDiffusionImg2ImgPipeline, in_many_languages, from_picture),
    Case(CycleDiffusionPipeline, reversible, from_another),
    Case(PaintByExamplePipeline, by_example, lambda number: masked(number) | {"example_image": photo(number + 9, 32)}),
    Case(SemanticStableDiffusionPipeline, parts, edited),
    Case(StableDiffusionAttendAndExcitePipeline, parts, excited, is_exclusive=True),
    Case(
        StableDiffusionGLIGENTextImagePipeline,
        gated_by_pictures,
        lambda number: grounded(number) | {"gligen_images": [photo(3, 32), photo(4, 32)][: 1 + number % 2]},
    ),
    Case(StableDiffusionImageVariationPipeline, seeing, lambda number: {"image": photo(number, 32)}),
    Case(StableDiffusionInpaintPipelineLegacy, parts, legacy),
    Case(StableDiffusionLDM3DPipeline, of_depth),
    Case(StableDiffusionModelEditingPipeline, parts),
    Case(StableDiffusionParadigmsPipeline, in_parallel, lambda number: {"parallel": 2 + number}),
    Case(StableDiffusionPipelineSafe, parts, safe),
    Case(TextToVideoZeroPipeline, parts, moving, is_exclusive=True),
    Case(TextToVideoZeroSDXLPipeline, of_xl, moving, is_exclusive=True),
]
