from typing import Any

from app.contract.generation import Generation, Output


def generation(**changes: Any) -> Generation:
    fields: dict[str, Any] = {
        "model": "mini",
        "prompt": "a cat wearing a space helmet",
        "negative_prompt": "",
        "width": 128,
        "height": 128,
        "num_images": 1,
        "num_inference_steps": 20,
        "guidance_scale": 5.0,
        "seed": 7,
        "scheduler": "DDIMScheduler",
        "output": Output(),
        "metadata": {"who": "me"},
    }
    return Generation(**{**fields, **changes})
