"""What company costs: seconds per denoiser row, by the rows of one forward pass, for the embedded model."""

import statistics
import time

import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from rich.console import Console
from rich.table import Table

from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from worker.pipelines.placement import Placement

ROWS = (1, 2, 4, 8, 16, 32, 64)
REPEATS = 5


@torch.no_grad()
def milliseconds_per_row(unet: UNet2DConditionModel, rows: int) -> float:
    side, width = unet.config.sample_size, unet.config.cross_attention_dim
    latents = torch.randn(rows, 4, side, side).to(unet.device, unet.dtype)
    text = torch.randn(rows, 32, width).to(unet.device, unet.dtype)

    def once() -> float:
        started = time.perf_counter()
        unet(latents, 500, encoder_hidden_states=text)
        if unet.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) * 1000 / rows

    once()
    return statistics.median(once() for _ in range(REPEATS))


def main() -> None:
    placement = Placement.choose(Settings())
    pipeline = DiffusionPipeline.from_pretrained(Catalogue.read().find(None).source, dtype=placement.dtype)
    unet = pipeline.unet.to(placement.device)
    table = Table("rows", "ms per row", "times one row's speed")
    measured = {rows: milliseconds_per_row(unet, rows) for rows in ROWS}
    for rows, each in measured.items():
        table.add_row(str(rows), f"{each:.2f}", f"{measured[1] / each:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
