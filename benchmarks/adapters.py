"""What LoRAs cost a forward pass of the denoiser: `OMP_NUM_THREADS=1 python -m benchmarks.adapters`."""

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from worker.engine.rows.wearing import wearing
from worker.pipelines.adapters import Lora, Wearing
from worker.pipelines.adapters.lora import Pair
from worker.pipelines.adapters.wearing import make_wearable

MODEL = Path(__file__).parents[1] / "worker" / "models" / "mini"
ROWS, ROUNDS, RANK = 16, 15, 8


def lora(unet: Any, seed: int, is_everywhere: bool) -> Lora:
    generator = torch.Generator().manual_seed(seed)
    pairs: dict[nn.Module, Pair] = {}
    for name, layer in unet.named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and (is_everywhere or ".to_" in name):
            out, into, *kernel = layer.weight.shape
            down = torch.randn(RANK, into, *kernel, generator=generator)
            pairs[layer] = Pair(down, torch.randn(out, RANK, *(1 for _ in kernel), generator=generator), 1e-3)
            make_wearable(layer)
    return Lora(pairs)


def loads(a: Lora, b: Lora, c: Lora) -> dict[str, list[Wearing | None]]:
    """What each of the rows wears."""
    five = [None, Wearing(((a, 1.0),)), Wearing(((b, 0.5),)), Wearing(((a, 0.4), (b, 0.7))), Wearing(((c, 1.2),))]
    mixed = [five[row % 5] for row in range(ROWS)]
    return {
        "no LoRA": [None] * ROWS,
        "one, on all rows": [five[1]] * ROWS,
        "one, on every other row": [five[row % 2] for row in range(ROWS)],
        "three, in five combinations, in turn": mixed,
        "three, in five combinations, side by side": sorted(mixed, key=five.index),
    }


def measure(is_everywhere: bool) -> dict[str, float]:
    """Returns the median seconds of a forward pass; the kinds take turns."""
    unet: Any = StableDiffusionPipeline.from_pretrained(MODEL, use_safetensors=True, dtype=torch.float32).unet
    arguments = {
        "sample": torch.randn(ROWS, unet.config.in_channels, 32, 32),
        "timestep": torch.arange(ROWS),
        "encoder_hidden_states": torch.randn(ROWS, 16, unet.config.cross_attention_dim),
    }

    def seconds(wears: list[Wearing | None]) -> float:
        begin = time.perf_counter()
        with wearing([(each, 1) for each in wears]):
            unet(**arguments)
        return time.perf_counter() - begin

    plain = [seconds([None] * ROWS) for _ in range(ROUNDS)]
    kinds = loads(*(lora(unet, seed, is_everywhere) for seed in range(3)))
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, wears in kinds.items():
            times[kind].append(seconds(wears))
    return {"never had a LoRA": statistics.median(plain)} | {
        kind: statistics.median(each) for kind, each in times.items()
    }


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    for is_everywhere, layers in ((False, "attention"), (True, "every layer")):
        figures = measure(is_everywhere)
        print(f"\nrank {RANK} on {layers}, {ROWS} rows of mini | ms | ratio\n---|---|---")
        for kind, seconds in figures.items():
            print(f"{kind} | {seconds * 1000:.0f} | {seconds / figures['no LoRA']:.2f}")


if __name__ == "__main__":
    main()
