import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.pipelines.adapters import Loras


def stock_with(pipeline: Any, files: Mapping[str, Path]) -> Any:
    """Returns a copy of a pipeline into which diffusers itself has loaded LoRAs."""
    stock = copy.deepcopy(pipeline)
    with warnings.catch_warnings(action="ignore"):  # peft warns of a second one
        for name, file in files.items():
            stock.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
    return stock


def set_scales(stock: Any, scales: Mapping[str, float]) -> None:
    if scales:
        stock.enable_lora()
        stock.set_adapters([*scales], [*scales.values()])
    else:
        stock.disable_lora()


def loaded(pipeline: Any, files: Mapping[str, Path], **more: Any) -> Loras:
    loras = Loras(pipeline, **more)
    for name, file in files.items():
        loras.load(name, file)
    return loras
