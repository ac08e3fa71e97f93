import re

import pytest

from tests.service.conftest import Service
from worker import stages

API = {
    *("darkroom_redis_up", "darkroom_workers", "darkroom_fleet_slots", "darkroom_fleet_slots_used"),
    *("darkroom_jobs", "darkroom_queue_jobs", "darkroom_queue_oldest_seconds", "darkroom_mean_rows_per_forward"),
    *("darkroom_jobs_ended_total", "darkroom_requeues_total", "darkroom_stale_commits_total"),
    *("darkroom_webhook_deliveries", "darkroom_http_requests_total", "darkroom_http_request_duration_seconds"),
}
WORKER = {
    *("darkroom_job_stage_seconds", "darkroom_step_seconds", "darkroom_batch_rows", "darkroom_slots"),
    *("darkroom_module_calls_total", "darkroom_module_forwards_total", "darkroom_module_rows_total"),
    *(
        "darkroom_slots_used",
        "darkroom_out_of_memory_total",
        "darkroom_cache_hits_total",
        "darkroom_cache_misses_total",
    ),
    *("darkroom_model_load_seconds", "darkroom_engine_busy_seconds_total", "darkroom_memory_bytes"),
}
COURIER = {"darkroom_webhook_lag_seconds", "darkroom_webhook_attempts_total"}
STEPS = 4


def names_in(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def labels_in(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for label, value in re.findall(r'[{,](\w+)="([^"]*)"', text):
        found.setdefault(label, set()).add(value)
    return found


def test_a_worker_counts_what_it_did_for_a_job(service: Service) -> None:
    def idle() -> dict[str, float]:
        service.wait_for(lambda: service.metrics("worker")["darkroom_slots_used"] == 0)
        return service.metrics("worker")

    before = idle()
    job = service.ended(service.post(prompt="a cat in a dial", num_inference_steps=STEPS)["id"])
    after = idle()

    def gain(sample: str) -> float:
        return after[sample] - before[sample]

    for stage in stages.NAMES:
        assert gain(f'darkroom_job_stage_seconds_count{{model="mini",stage="{stage}"}}') == 1
        seconds = job["timings"][f"{stage}_s"]
        assert gain(f'darkroom_job_stage_seconds_sum{{model="mini",stage="{stage}"}}') == pytest.approx(seconds)
    assert gain('darkroom_step_seconds_count{model="mini"}') == STEPS - 1
    unet = '{model="mini",module="unet"}'
    assert gain(f"darkroom_batch_rows_count{unet}") == gain(f"darkroom_module_forwards_total{unet}") == STEPS
    assert gain(f"darkroom_batch_rows_sum{unet}") == gain(f"darkroom_module_rows_total{unet}") == 2 * STEPS
    assert gain('darkroom_batch_rows_bucket{le="2.0",model="mini",module="unet"}') == STEPS
    assert gain('darkroom_batch_rows_bucket{le="1.0",model="mini",module="unet"}') == 0
    assert gain("darkroom_cache_misses_total") == 1  # the prompt; the empty one is known since the worker's start
    assert gain("darkroom_cache_hits_total") == 1
    assert 0 < job["timings"]["denoise_s"] < gain("darkroom_engine_busy_seconds_total")
    assert gain("darkroom_out_of_memory_total") == 0
    assert after["darkroom_slots"] > 0
    assert after['darkroom_model_load_seconds{model="mini"}'] > 0
    assert after['darkroom_memory_bytes{kind="models"}'] > 2**20


def test_a_worker_and_a_courier_live_and_are_ready(service: Service) -> None:
    told = [service.dials(of, path) for of in ("worker", "courier") for path in ("/livez", "/readyz")]

    assert told == ["200 OK"] * 4


def test_every_process_tells_its_part_under_few_labels(service: Service) -> None:
    service.ended(service.post(prompt="a cat", num_inference_steps=2)["id"])

    told = {of: service.dials(of) for of in ("api", "worker", "courier")}

    assert {of: names_in(text) for of, text in told.items()} == {"api": API, "worker": WORKER, "courier": COURIER}
    labels = labels_in(told["worker"])
    assert labels.keys() == {"model", "module", "stage", "kind", "le"}
    assert labels["model"] == {"mini"}
    assert labels_in(told["courier"])["result"] == {"delivered", "failed", "dead"}
