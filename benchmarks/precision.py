"""float32 against bfloat16 on this machine's CPU: seconds per picture, and what it and company do to a picture."""

import statistics
import time

import torch
from diffusers import DiffusionPipeline
from rich.console import Console
from rich.table import Table

from app.contract.catalogue import Catalogue

COMPANY = 16
REPEATS = 3


def develop(pipeline: DiffusionPipeline, count: int) -> torch.Tensor:
    return pipeline(
        ["a cat wearing a space helmet"] * count,
        num_inference_steps=20,
        generator=[torch.Generator().manual_seed(seed) for seed in range(count)],
        output_type="pt",
    ).images.float()


def seconds(pipeline: DiffusionPipeline, count: int) -> float:
    def once() -> float:
        started = time.perf_counter()
        develop(pipeline, count)
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(REPEATS))


def main() -> None:
    table = Table("dtype", "1 picture, s", f"{COMPANY} pictures, s each", "to company, of 255", "to float32, of 255")
    reference = None
    for dtype in (torch.float32, torch.bfloat16):
        pipeline = DiffusionPipeline.from_pretrained(Catalogue.read().find(None).source, dtype=dtype)
        pipeline.set_progress_bar_config(disable=True)
        picture = develop(pipeline, 1)[0]
        reference = picture if reference is None else reference
        company, exact = (
            f"{(picture - other).abs().max().item() * 255:.4f}" for other in (develop(pipeline, COMPANY)[0], reference)
        )
        alone, together = seconds(pipeline, 1), seconds(pipeline, COMPANY) / COMPANY
        table.add_row(str(dtype), f"{alone:.2f}", f"{together:.2f}", company, exact)
    Console().print(table)


if __name__ == "__main__":
    main()
