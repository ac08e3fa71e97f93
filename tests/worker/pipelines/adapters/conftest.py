from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.engine import tiny_pipelines
from tests.worker.pipelines.adapters.lora_files import diffusers_file, kohya_file


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    torch.set_num_threads(1)
    with torch.no_grad():
        yield


@pytest.fixture
def stable_diffusion(tmp_path: Path) -> Any:
    return tiny_pipelines.stable_diffusion(tmp_path)


@pytest.fixture
def files(tmp_path: Path, stable_diffusion: Any) -> dict[str, Path]:
    """Three LoRAs: of the UNet's attention, of every layer there is, and of a part of these."""
    kohya = {"unet": "lora_unet", "text_encoder": "lora_te_text_model"}
    unet = {"unet": "lora_unet"}
    return {
        "a": diffusers_file(tmp_path / "a.safetensors", stable_diffusion, ["unet", "text_encoder"], seed=1),
        "b": kohya_file(tmp_path / "b.safetensors", stable_diffusion, kohya, seed=2),
        "c": kohya_file(
            tmp_path / "c.safetensors", stable_diffusion, unet, seed=3, choice=lambda name, _: "up_blocks" in name
        ),
    }
