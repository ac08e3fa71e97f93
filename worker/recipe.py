"""How a picture is made again, written into its file: as others read it, and as Darkroom's API takes it."""

import json
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from app.contract.generation import Generation, Picture
from app.contract.version import installed_version

JPEG_EXIF_MAX_BYTES = 65_533 - len(b"Exif\0\0")  # of one segment; a JPEG has one for this
# What AUTOMATIC1111's web UI and the readers of its files call the schedulers.
SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "FlowMatchEulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2DiscreteScheduler": "DPM2",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}
# Who asked and when it had to be done is nobody's business who gets the file.
NOT_TOLD = {"num_images", "image", "mask", "control", "previews", "webhook", "priority", "deadline_s", "metadata"}


def save_options(generation: Generation, seed: int) -> dict[str, Any]:
    """What Pillow's `save` takes so that the file holds the recipe of the one picture with this seed.

    Nothing, if no file of the format can hold so much.
    """
    text, body = infotext(generation, seed), json.dumps(request_body(generation, seed))
    if generation.output.format == "png":
        chunks = PngInfo()
        chunks.add_text("parameters", text)
        chunks.add_text("darkroom", body)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = body
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + text.encode("utf-16-be")
    if generation.output.format == "jpeg" and len(exif.tobytes()) > JPEG_EXIF_MAX_BYTES:
        return {}
    return {"exif": exif}


def warnings(generation: Generation) -> list[str]:
    """What the caller should know of the recipe in the file."""
    if generation.output.metadata and not save_options(generation, generation.seed):
        return ["output.metadata: the recipe is longer than a JPEG can hold, so it was left out."]
    return []


def request_body(generation: Generation, seed: int) -> dict[str, Any]:
    """The body that asks for this one picture again; pictures stand there as `sha256:...`, to be put in."""
    body = generation.model_dump(mode="json", exclude=NOT_TOLD, exclude_none=True) | {"seed": seed}
    if generation.image:
        images = [_named(image) for image in generation.image]
        body["image"] = images if len(images) > 1 else images[0]
    if generation.mask:
        body["mask"] = _named(generation.mask)
    if control := generation.control:
        body["control"] = {"name": control.name, "image": _named(control.image), "scale": control.scale}
    return body


def infotext(generation: Generation, seed: int) -> str:
    """The recipe in the form of AUTOMATIC1111's web UI."""
    values = {
        "Steps": generation.num_inference_steps,
        "Sampler": SAMPLERS.get(generation.scheduler, generation.scheduler),
        "CFG scale": generation.guidance_scale,
        "Seed": seed,
        "Size": f"{generation.width}x{generation.height}",
        "Model": generation.model,
        "Denoising strength": generation.strength,
        "ControlNet": generation.control and f"{generation.control.name}: {generation.control.scale}",
        "Loras": ", ".join(f"{lora.name}: {lora.scale}" for lora in generation.loras),
        "Version": f"Darkroom {installed_version()}",
    }
    lines = [generation.prompt]
    if generation.negative_prompt:
        lines.append(f"Negative prompt: {generation.negative_prompt}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in values.items() if value not in (None, "")))
    return "\n".join(lines)


def _named(picture: Picture) -> str:
    return f"sha256:{picture.sha256}"


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",\n:") else text
