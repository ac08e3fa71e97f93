"""Stock diffusers one at a time, in static batches, LitServe with dynamic batching, and Darkroom's engine.

    python -m benchmarks.serving [--model mini] [--count 32] [--repeats 3] [--device cpu] [--dtype float32]

The systems take turns within each repeat; a figure is the median of the repeats, a ratio that of ratios within one.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.serving.litserve_client import LitServe
from benchmarks.serving.load import ask_in_a_loop
from benchmarks.serving.measure import CLIENTS, Measure, measure
from benchmarks.serving.models import MODELS, build
from benchmarks.serving.systems import Stock, System, Together, develop_alike
from benchmarks.serving.table import ratios, table
from benchmarks.serving.workload import WORKLOADS, Request, Workload


def start(options: argparse.Namespace, pipeline: object) -> Iterator[System]:
    dtype = getattr(torch, options.dtype)
    yield Stock(pipeline, "one at a time", 1)
    yield Stock(pipeline, "static batches", CLIENTS)
    yield LitServe(options.model, options.device, options.dtype, CLIENTS, options.count)
    yield Together(build(options.model, options.device, dtype), options.max_rows)


def run(options: argparse.Namespace) -> list[list[Measure]]:
    """Returns the measures of each repeat."""
    pipeline = build(options.model, options.device, getattr(torch, options.dtype))
    workloads = [workload for workload in WORKLOADS if workload.name.startswith(options.only)]
    requests = {request for workload in workloads for request in workload.requests(options.count)}
    alone = {request: develop_alike(pipeline, [request])[0] for request in tqdm(requests, "alone")}
    with ExitStack() as stack:
        systems = list(start(options, pipeline))
        for system in systems:
            stack.callback(system.close)
            for workload in {
                each.settings: each for each in workloads
            }.values():  # what is compiled, checked or cached once is not measured
                ask_in_a_loop(system.develop, workload.requests(CLIENTS), CLIENTS)
        return [_repeat(systems, workloads, options.count, alone) for _ in tqdm(range(options.repeats), "repeats")]


def _repeat(
    systems: Sequence[System], workloads: Sequence[Workload], count: int, alone: dict[Request, Tensor]
) -> list[Measure]:
    capacity, measures = 0.0, []
    for workload in workloads:
        for system in systems:
            measures.append(measure(system, workload, count, capacity, alone))
            if workload.load is None and system is systems[0]:
                capacity = measures[-1].images_per_s  # the last one's settings are those of the Poisson workloads
    return measures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="mini")
    parser.add_argument("--count", type=int, default=32, help="requests of each workload")
    parser.add_argument("--only", default="", help="workloads whose name begins so; C needs B for its rate")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-rows", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float16" if torch.cuda.is_available() else "float32")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/serving.json"))
    options = parser.parse_args()
    repeats = run(options)
    options.json.write_text(json.dumps([[asdict(each) for each in repeat] for repeat in repeats], indent=1))
    print(table(repeats))
    print(ratios(repeats))


if __name__ == "__main__":
    main()
