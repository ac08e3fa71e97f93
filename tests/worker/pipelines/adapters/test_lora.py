from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.worker.engine import tiny_pipelines
from tests.worker.engine.test_engine import text_to_image
from tests.worker.pipelines.adapters.lora_files import diffusers_file, kohya_file
from tests.worker.pipelines.adapters.stock import loaded, stock_with
from worker.engine import Engine
from worker.pipelines.adapters import Lora, LoraUnusable

Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def difference_from_stock(pipeline: Any, file: Path, arguments: Callable[[], dict[str, Any]]) -> float:
    """By how much a run that wears the file differs at most from the stock pipeline's."""
    expected = stock_with(pipeline, {"it": file})(**arguments()).images
    adapters = loaded(pipeline, {"it": file}).wear({"it": 1.0})
    with Engine() as engine:
        engine.adopt(pipeline)
        images = engine.submit(pipeline, adapters=adapters, **arguments()).result(timeout=60).images
    assert np.abs(pipeline(**arguments()).images - images).max() > 1e-3
    return float(np.abs(expected - images).max())


@pytest.mark.parametrize("is_kohya", [False, True], ids=["diffusers", "kohya"])
def test_a_lora_of_two_text_encoders_and_a_unet_is_as_in_stock(tmp_path: Path, is_kohya: bool) -> None:
    pipeline = tiny_pipelines.stable_diffusion_xl(tmp_path)
    file = tmp_path / "lora.safetensors"
    parts = {"unet": "lora_unet", "text_encoder": "lora_te1_text_model", "text_encoder_2": "lora_te2"}
    if is_kohya:
        kohya_file(file, pipeline, parts, seed=1, choice=lambda name, _: "attn" in name)
    else:
        diffusers_file(file, pipeline, [*parts], seed=1)

    def arguments() -> dict[str, Any]:
        return text_to_image(1, height=16, width=16)

    assert difference_from_stock(pipeline, file, arguments) <= 1e-4


@pytest.mark.parametrize("is_kohya", [False, True], ids=["diffusers", "kohya"])
def test_a_lora_of_a_transformer_is_as_in_stock(tmp_path: Path, is_kohya: bool) -> None:
    pipeline = tiny_pipelines.flux()
    file = tmp_path / "lora.safetensors"
    if is_kohya:
        prefix = "lora_transformer"
        rank, width = 2, 32
        names = {f"{prefix}_transformer_blocks_0_attn_to_out_0": (width, width)}
        generator = torch.Generator().manual_seed(1)
        tensors = {}
        for name, (out, into) in names.items():
            tensors[f"{name}.lora_down.weight"] = torch.randn(rank, into, generator=generator)
            tensors[f"{name}.lora_up.weight"] = torch.randn(out, rank, generator=generator)
            tensors[f"{name}.alpha"] = torch.tensor(1.0)
        save_file(tensors, file)
    else:
        diffusers_file(file, pipeline, ["transformer"], seed=1)

    def arguments() -> dict[str, Any]:
        generator = torch.Generator().manual_seed(1)
        embeds = torch.randn(1, 6, 16, generator=generator)
        pooled = torch.randn(1, 16, generator=generator)
        return {
            "prompt_embeds": embeds,
            "pooled_prompt_embeds": pooled,
            "num_inference_steps": 3,
            "generator": generator,
            "height": 16,
            "width": 16,
            "output_type": "np",
        }

    assert difference_from_stock(pipeline, file, arguments) <= 1e-4


def dora(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"unet.conv_in.dora_scale": torch.ones(8, 1, 1, 1)}


def loha(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"lora_unet_conv_in.hada_w1_a": torch.ones(8, 2)}


def another_place(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    place = "unet.mid_block.attentions.7.proj_in.lora"
    return tensors | {f"{place}_A.weight": torch.ones(2, 16), f"{place}_B.weight": torch.ones(16, 2)}


def another_shape(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.cat([tensor, tensor]) for name, tensor in tensors.items()}


def not_finite(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor / 0 for name, tensor in tensors.items()}


def bias(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    return tensors | {name.replace("weight", "bias"): torch.ones(len(tensors[name]))}


def no_lora(_tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"weight": torch.ones(2)}


@pytest.mark.filterwarnings("ignore::RuntimeWarning:peft.*", "ignore::UserWarning:peft.*")
@pytest.mark.parametrize("change", [dora, loha, another_place, another_shape, not_finite, bias, no_lora])
def test_a_file_that_would_not_give_the_stock_picture_is_refused(
    stable_diffusion: Any, files: dict[str, Path], change: Change
) -> None:
    save_file(change(load_file(files["a"])), files["a"])

    with pytest.raises(LoraUnusable, match=r"^a\.safetensors"):
        Lora.read(stable_diffusion, files["a"])


def test_only_safetensors_are_read(stable_diffusion: Any, files: dict[str, Path], tmp_path: Path) -> None:
    pickled = tmp_path / "pickled.safetensors"
    torch.save(load_file(files["a"]), pickled)

    with pytest.raises(LoraUnusable, match=r"pickled\.safetensors cannot be read as safetensors"):
        Lora.read(stable_diffusion, pickled)
    with pytest.raises(LoraUnusable, match=r"a\.bin is not named \.safetensors"):
        Lora.read(stable_diffusion, files["a"].rename(tmp_path / "a.bin"))
    with pytest.raises(LoraUnusable, match=r"missing\.safetensors cannot be read"):
        Lora.read(stable_diffusion, tmp_path / "missing.safetensors")


def test_reading_changes_nothing_about_the_pipeline(stable_diffusion: Any, files: dict[str, Path]) -> None:
    before = {name: dict(vars(part)) for name, part in stable_diffusion.unet.named_modules()}

    lora = Lora.read(stable_diffusion, files["b"])

    assert {name: vars(part) for name, part in stable_diffusion.unet.named_modules()} == before
    assert set(lora.pairs) < {*stable_diffusion.unet.modules(), *stable_diffusion.text_encoder.modules()}


def test_weights_take_the_precision_of_the_layers(stable_diffusion: Any, files: dict[str, Path]) -> None:
    stable_diffusion.to(torch.bfloat16)

    lora = Lora.read(stable_diffusion, files["b"])

    assert {pair.down.dtype for pair in lora.pairs.values()} == {torch.bfloat16}
