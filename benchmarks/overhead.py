"""What the service adds to a picture: HTTP, queue, storage and events beside the engine alone, with nothing else to do.

    OMP_NUM_THREADS=1 python -m benchmarks.overhead [--pictures 60] [--steps 10]

A picture is asked for over HTTP with `Prefer: wait`, then the same one from an engine in this process, in turns: what
else the machine does falls on both. The pictures come by the same model on as many threads.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest
from app.contract.settings import Settings
from tests.chaos.verdict import percentile
from tests.service.conftest import Service
from worker.engine import Engine
from worker.pipelines.arguments import arguments
from worker.pipelines.placement import Placement
from worker.pipelines.warming import LoadedModel

THREADS = 1
WAIT_S = 60
WARM_UP = 5  # pictures


def from_engine(engine: Engine, body: dict[str, Any]) -> Callable[[], object]:
    """Returns what makes the picture without a service."""
    model = Catalogue.read().find("mini")
    generation = model.fill(GenerationRequest.model_validate(body))
    warm = LoadedModel.load(model, Placement.choose(Settings(device="cpu")), engine).warm()
    pipeline = warm.pipelines.of(generation)

    def make() -> object:
        asked = arguments(pipeline, generation)
        adapters = warm.loras.wear(generation.loras)
        return engine.submit(pipeline, **asked, adapters=adapters, seed=generation.seed).result()

    return make


def from_service(service: Service, body: dict[str, Any]) -> Callable[[], object]:
    def make() -> object:
        answer = service.http.post("/v1/jobs", json=body, headers={"Prefer": f"wait={WAIT_S}"})
        if answer.status_code != 200 or answer.json()["status"] != "succeeded":
            raise ValueError(f"The service answers {answer.text}")
        return answer

    return make


def measure(pictures: int, steps: int) -> list[tuple[float, float]]:
    """Returns the milliseconds of each picture, through the service and from the engine alone."""
    body = {"prompt": "a cat wearing a space helmet", "seed": 7, "num_inference_steps": steps}
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Engine() as engine:
        service = Service(Path(folder), DARKROOM_THREADS=str(THREADS), DARKROOM_DEVICE="cpu")
        try:
            ways = from_service(service, body), from_engine(engine, body)
            return [(_milliseconds(ways[0]), _milliseconds(ways[1])) for _ in range(WARM_UP + pictures)][WARM_UP:]
        finally:
            service.stop()


def _milliseconds(make: Callable[[], object]) -> float:
    began = time.perf_counter()
    make()
    return (time.perf_counter() - began) * 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    pairs = measure(options.pictures, options.steps)
    service, engine = (list(each) for each in zip(*pairs, strict=True))
    table = Table("milliseconds", "p50", "p95")
    rows = {
        "service": service,
        "engine alone": engine,
        "what the service adds": [ours - alone for ours, alone in pairs],
    }
    for title, values in rows.items():
        table.add_row(title, f"{statistics.median(values):.1f}", f"{percentile(values, 0.95):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
