import re
import subprocess
import sys
from pathlib import Path

import psutil

from tests.service.conftest import Service

BODY = {"prompt": "a cat wearing a space helmet", "num_inference_steps": 20}


def test_jobs_survive_the_kill_of_their_worker(service: Service) -> None:
    jobs = [service.post(**BODY, seed=seed)["id"] for seed in range(12)]
    service.wait_for(lambda: any(service.job(job)["status"] == "running" for job in jobs))
    killed = service.worker()

    killed.kill()

    ended = [service.ended(job) for job in jobs]
    assert {job["status"] for job in ended} == {"succeeded"}
    assert {len(job["images"]) for job in ended} == {1}
    assert max(job["attempt"] for job in ended) == 2
    assert service.worker().pid != killed.pid


def test_a_stop_in_the_middle_leaves_no_process_and_loses_no_job(tmp_path: Path) -> None:
    service = Service(tmp_path, DARKROOM_OTLP_ENDPOINT="http://127.0.0.1:9")  # where no collector is
    jobs = [service.post(**BODY, seed=seed)["id"] for seed in range(3)]
    processes = service.descendants()
    started = len(processes)

    status = service.stop()

    _, alive = psutil.wait_procs(processes, timeout=5)
    assert (status, alive) == (0, [])
    assert started >= 3  # Redis, API, worker
    service.start()
    assert {service.ended(job)["status"] for job in jobs} == {"succeeded"}
    service.stop()


def test_rq_info_tells_the_truth_of_queues_workers_and_counts(service: Service) -> None:
    service.ended(service.post(**BODY)["id"])
    running = service.post(**BODY | {"num_inference_steps": 100})["id"]
    service.wait_for(lambda: service.job(running)["status"] == "running")

    told = rq_info(service)

    metrics = service.http.get("/metrics").text
    ended = dict(re.findall(r'darkroom_jobs{model="mini",status="(\w+)"} (\d+)', metrics))
    assert f"queue darkroom-mini 0, 1 executing, {ended['succeeded']} finished, {ended['failed']} failed" in told
    assert re.search(r"^worker darkroom-\S+ .*busy.*darkroom-mini", told, re.MULTILINE)
    service.ended(running)


def rq_info(service: Service) -> str:
    command = [str(Path(sys.executable).with_name("rq")), "info", "--raw", "--url", service.redis_url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
