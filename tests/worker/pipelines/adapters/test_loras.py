from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.worker.engine.test_engine import text_to_image
from tests.worker.pipelines.adapters.stock import loaded, set_scales, stock_with
from worker.engine import Engine
from worker.pipelines.adapters import LoraUnknown

COMBINATIONS: list[dict[str, float]] = [
    {},
    {"a": 1.0},
    {"b": 0.5},
    {"a": 0.4, "b": 0.7},
    {"c": -1.3},
    {"b": 1.1, "c": 2},
]


def test_runs_that_wear_different_loras_share_a_forward_pass_and_each_is_as_alone(
    stable_diffusion: Any, files: dict[str, Path]
) -> None:
    stock = stock_with(stable_diffusion, files)
    loras = loaded(stable_diffusion, files)

    with Engine(max_rows=16) as engine:
        engine.adopt(stable_diffusion)
        runs = [
            engine.submit(stable_diffusion, adapters=loras.wear(scales), **text_to_image(seed))
            for seed, scales in enumerate(COMBINATIONS)
        ]
        images = [run.result(timeout=60).images for run in runs]
        stats = engine.stats()

    plain = [stable_diffusion(**text_to_image(seed)).images for seed in range(len(COMBINATIONS))]
    for seed, scales in enumerate(COMBINATIONS):
        set_scales(stock, scales)
        assert np.abs(stock(**text_to_image(seed)).images - images[seed]).max() <= 1e-4
        assert (np.abs(plain[seed] - images[seed]).max() > 1e-2) == bool(scales)
    assert next(each for each in stats.modules if each.module == "unet").mean_rows > 3
    assert stats.never_stacked == ()


def test_loading_and_unloading_while_runs_are_in_flight_disturbs_none(
    stable_diffusion: Any, files: dict[str, Path]
) -> None:
    stock = stock_with(stable_diffusion, files)
    weights = {name: weight.clone() for name, weight in stable_diffusion.unet.state_dict().items()}
    loras = loaded(stable_diffusion, {"a": files["a"]})

    def change(step: int, _total: int, _latents: Any) -> None:
        if step == 1:
            loras.load("b", files["b"])
            loras.unload("a")

    with Engine() as engine:
        engine.adopt(stable_diffusion)
        wearing = engine.submit(stable_diffusion, adapters=loras.wear({"a": 0.8}), on_step=change, **text_to_image(1))
        plain = engine.submit(stable_diffusion, **text_to_image(2))
        images = [run.result(timeout=60).images for run in (wearing, plain)]
        exclusive = engine.stats().exclusive

    set_scales(stock, {"a": 0.8})
    assert np.abs(stock(**text_to_image(1)).images - images[0]).max() <= 1e-4
    assert np.abs(stable_diffusion(**text_to_image(2)).images - images[1]).max() <= 1e-4
    assert loras.names == ["b"]
    assert exclusive == ()
    assert all(torch.equal(weight, weights[name]) for name, weight in stable_diffusion.unet.state_dict().items())


def test_a_lora_that_gave_way_is_read_again_when_it_is_asked_for(stable_diffusion: Any, files: dict[str, Path]) -> None:
    all_bytes = loaded(stable_diffusion, files).bytes
    loras = loaded(stable_diffusion, files, max_bytes=all_bytes - 1)
    before = loras.bytes

    wearing = loras.wear({"a": 1.0})

    assert loras.names == ["a", "b", "c"]
    assert before < all_bytes
    assert loras.bytes < all_bytes
    assert wearing
    assert wearing.loras[0][0].pairs


def test_what_is_worn_is_equal_when_loras_and_scales_are(stable_diffusion: Any, files: dict[str, Path]) -> None:
    loras = loaded(stable_diffusion, files)

    assert loras.wear({"a": 1.0}) == loras.wear({"a": 1.0})
    assert hash(loras.wear({"a": 1.0})) == hash(loras.wear({"a": 1.0}))
    assert loras.wear({"a": 1.0}) != loras.wear({"a": 0.9})
    assert loras.wear({}) is None
    assert loras.wear({"a": 0.0}) is None


def test_a_name_that_is_taken_gets_the_new_file(stable_diffusion: Any, files: dict[str, Path]) -> None:
    loras = loaded(stable_diffusion, files)
    before = loras.wear({"a": 1.0})

    loras.load("a", files["b"])

    assert loras.wear({"a": 1.0}) != before


def test_a_lora_that_is_not_loaded_is_named(stable_diffusion: Any, files: dict[str, Path]) -> None:
    loras = loaded(stable_diffusion, {"a": files["a"]})

    with pytest.raises(LoraUnknown, match="There is no LoRA 'd'; loaded are: a"):
        loras.wear({"d": 1.0})
    with pytest.raises(LoraUnknown, match="'d'"):
        loras.unload("d")
