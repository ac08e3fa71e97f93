"""How much faster requests are developed together than one by one by the stock pipeline.

    python -m benchmarks.engine [--requests 16] [--steps 10] [--repeats 5] [--device cpu] [--dtype float32]

Both ways take turns, so that what else the machine does falls on both; the ratio is the median of the repeats'.
"""

import argparse
import statistics
import time
from typing import Any

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel

from worker.engine import Engine


def build(device: str, dtype: torch.dtype) -> StableDiffusionPipeline:
    """Returns a pipeline of random weights for pictures of 128 x 128 pixels, which takes its prompts as embeddings."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(64, 96, 160),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=32,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
    )
    parts = dict.fromkeys(("text_encoder", "tokenizer", "safety_checker", "feature_extractor"))
    pipeline = StableDiffusionPipeline(
        unet=unet.eval(),
        vae=vae.eval(),
        scheduler=DPMSolverMultistepScheduler(),
        requires_safety_checker=False,
        **parts,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device) if dtype is torch.float32 else pipeline.to(device, dtype)


def arguments(pipeline: Any, seed: int, steps: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(2, 1, 24, 128, generator=generator).to(pipeline.device, pipeline.dtype)
    return {
        "prompt_embeds": embeddings[0],
        "negative_prompt_embeds": embeddings[1],
        "num_inference_steps": steps,
        "generator": generator,
        "output_type": "pt",
    }


def develop_one_by_one(pipeline: Any, requests: int, steps: int) -> list[torch.Tensor]:
    return [pipeline(**arguments(pipeline, seed, steps)).images.cpu() for seed in range(requests)]


def develop_together(engine: Engine, pipeline: Any, requests: int, steps: int) -> list[torch.Tensor]:
    futures = [engine.submit(pipeline, **arguments(pipeline, seed, steps)) for seed in range(requests)]
    return [future.result().images.cpu() for future in futures]


def measure(options: argparse.Namespace) -> None:
    pipeline = build(options.device, getattr(torch, options.dtype))
    weights = sum(weight.numel() for weight in pipeline.unet.parameters())
    size = options.requests, options.steps
    with Engine(max_rows=2 * options.requests) as engine:
        engine.adopt(pipeline)
        together = develop_together(engine, pipeline, *size)  # the first meetings, and the caches of the kernels
        alone = develop_one_by_one(pipeline, *size)
        difference = max((one - other).abs().max().item() for one, other in zip(alone, together, strict=True))
        print(f"{options.requests} requests of {options.steps} steps, {weights / 1e6:.1f} M weights, {options.device}")
        print(f"largest difference of a pixel in 0..1: {difference:.1e}")
        ratios = []
        for _ in range(options.repeats):
            started = time.perf_counter()
            develop_one_by_one(pipeline, *size)
            between = time.perf_counter()
            develop_together(engine, pipeline, *size)
            ended = time.perf_counter()
            ratios.append((between - started) / (ended - between))
            print(f"one by one {between - started:6.2f} s   together {ended - between:6.2f} s   {ratios[-1]:.2f}x")
        print(f"median {statistics.median(ratios):.2f}x")
        for module in engine.stats().modules:
            if module.calls:
                print(f"{module.module}: {module.calls} calls, {module.forwards} forwards, {module.mean_rows:.1f} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    measure(parser.parse_args())
