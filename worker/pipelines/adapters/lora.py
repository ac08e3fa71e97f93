from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from peft.tuners.lora.layer import Conv2d, Linear
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from worker.pipelines.adapters.errors import LoraUnusable
from worker.pipelines.adapters.hollow import hollow_pipeline
from worker.pipelines.building import building

NAME = "lora"  # in the hollow pipeline
# What such tensors belong to would be left out, or be taken for something else.
UNSUPPORTED = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "lora_mid": "a LoRA of three factors",
    "oft_": "OFT",
    ".diff": "a difference of whole weights",
}


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """What a LoRA adds at one layer: scaling * up(down(rows))."""

    down: Tensor  # (rank, in) or (rank, in, height, width)
    up: Tensor  # (out, rank) or (out, rank, 1, 1)
    scaling: float

    def add(self, layer: Any, rows: Tensor, output: Tensor, scale: float) -> None:
        """Adds its part to a layer's output for these rows, in place."""
        if self.down.ndim == 2:
            part = functional.linear(functional.linear(rows, self.down), self.up)
        else:
            down = functional.conv2d(rows, self.down, None, layer.stride, layer.padding, layer.dilation)
            part = functional.conv2d(down, self.up)
        output.add_(part, alpha=scale * self.scaling)


@dataclass(frozen=True, eq=False)
class Lora:
    """One file's low-rank pairs, by the layers of the model that they belong to."""

    pairs: Mapping[nn.Module, Pair]

    @cached_property
    def layers(self) -> frozenset[nn.Module]:
        return frozenset(self.pairs)

    @property
    def bytes(self) -> int:
        return sum(pair.down.nbytes + pair.up.nbytes for pair in self.pairs.values())

    @classmethod
    def read(cls, pipeline: DiffusionPipeline, file: Path) -> "Lora":
        """Reads a safetensors file as the stock pipeline would: it is loaded into a copy that has no weights.

        So every format, name and alpha that diffusers knows is known here. Raises LoraUnusable.
        """
        _refuse_unsupported(file)
        hollow = hollow_pipeline(pipeline)
        with building:
            expected = _load_as_stock(hollow, file)
        pairs: dict[nn.Module, Pair] = {}
        for component in type(pipeline)._lora_loadable_modules:
            module = getattr(pipeline, component, None)
            if module is not None:
                pairs.update(_pairs(module, getattr(hollow, component), f"{file.name}, {component}"))
        if not pairs or 2 * len(pairs) != expected:
            raise LoraUnusable(
                f"{file.name}: {expected - 2 * len(pairs)} of its {expected} tensors have no place here."
            )
        return cls(pairs)


def _refuse_unsupported(file: Path) -> None:
    if file.suffix != ".safetensors":  # diffusers would unpickle it
        raise LoraUnusable(f"{file.name} is not named .safetensors, and nothing else is loaded.")
    try:
        with safe_open(file, "pt") as tensors:
            names = list(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise LoraUnusable(f"{file.name} cannot be read as safetensors: {error}") from error
    for mark, kind in UNSUPPORTED.items():
        if any(mark in name for name in names):
            raise LoraUnusable(f"{file.name} holds {kind}, which is not supported.")


def _load_as_stock(hollow: Any, file: Path) -> int:
    """Has diffusers load a file, and returns how many tensors it found in there."""
    if not hasattr(hollow, "load_lora_weights"):
        raise LoraUnusable(f"A {type(hollow).__name__} takes no LoRAs.")
    found: list[str] = []

    def lora_state_dict(*args: Any, **kwargs: Any) -> Any:
        loaded = type(hollow).lora_state_dict(*args, **kwargs)
        found.extend(loaded[0] if isinstance(loaded, tuple) else loaded)
        return loaded

    vars(hollow)["lora_state_dict"] = lora_state_dict
    try:
        hollow.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=NAME, use_safetensors=True)
        hollow.set_adapters([NAME], [1.0])
    except Exception as error:  # on a file for another model, the libraries raise whatever comes
        raise LoraUnusable(f"{file.name} does not fit this {type(hollow).__name__}: {error}") from error
    return sum(not name.endswith("alpha") for name in found)


def _pairs(module: nn.Module, hollow: nn.Module, where: str) -> Iterator[tuple[nn.Module, Pair]]:
    for path, loaded in hollow.named_modules():
        if isinstance(loaded, BaseTunerLayer):
            layer = module.get_submodule(path)
            _refuse_unlike(loaded, layer, f"{where}, {path}")
            down, up = (part[NAME].weight.detach() for part in (loaded.lora_A, loaded.lora_B))
            if not (down.isfinite().all() and up.isfinite().all()):
                raise LoraUnusable(f"{where}, {path}: it holds numbers that are not finite.")
            device = layer.weight.device
            yield layer, Pair(down.to(device), up.to(device), loaded.scaling[NAME])


def _refuse_unlike(loaded: Any, layer: Any, where: str) -> None:
    """Lets only pass what `Pair.add` computes as peft does."""
    reasons = {
        f"layers of type {type(layer).__name__} are not supported": type(loaded) not in (Linear, Conv2d),
        "it has a bias": loaded.lora_bias.get(NAME),
        "it is DoRA": loaded.use_dora.get(NAME),
        "it needs a layer of another shape": loaded.get_base_layer().weight.shape != layer.weight.shape,
        "its layer has groups": getattr(layer, "groups", 1) != 1,
        "its layer does not pad with zeros": getattr(layer, "padding_mode", "zeros") != "zeros",
    }
    for reason, holds in reasons.items():
        if holds:
            raise LoraUnusable(f"{where}: {reason}.")
