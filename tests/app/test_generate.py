import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from redis import Redis
from rq import Queue

from app.contract.job import JobError, Progress
from app.contract.names import queue_name
from tests.app.finished import fail, fetch, finish, run
from tests.app.processes import wait_until

PICTURES = [b"\x89PNG one", b"\x89PNG two"]

Generate = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def generate(http: httpx.Client, tmp_path: Path) -> Generate:
    """Starts `darkroom generate` in an empty folder."""

    def start(*words: str, url: str = str(http.base_url)) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "app.cli", "generate", "a cat", "--url", url, *words]
        environment = {"PYTHONPATH": str(Path.cwd())}
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def test_pictures_are_saved_with_numbers_before_the_suffix(
    generate: Generate, redis: Redis, images: Path, tmp_path: Path
) -> None:
    command = generate("-o", "cat.png", "--num-images", "2", "--seed", "7")
    finish(redis, submitted(redis), images, PICTURES)

    said, _ = command.communicate(timeout=20)

    assert command.returncode == 0
    assert [(tmp_path / f"cat-{n}.png").read_bytes() for n in (0, 1)] == PICTURES
    assert [line.split()[:3] for line in said.splitlines()] == [["cat-0.png", "seed", "7"], ["cat-1.png", "seed", "8"]]


def test_every_option_reaches_the_worker(generate: Generate, redis: Redis, images: Path, tmp_path: Path) -> None:
    options = {
        "--seed": ("seed", 3),
        "--steps": ("num_inference_steps", 4),
        "--guidance": ("guidance_scale", 1.5),
        "--scheduler": ("scheduler", "DDIMScheduler"),
        "--negative": ("negative_prompt", "a dog"),
        "--width": ("width", 64),
        "--height": ("height", 96),
        "--model": ("model", "mini"),
    }

    command = generate(
        "-o", "cat.JPG", *(word for option, (_, value) in options.items() for word in (option, str(value)))
    )
    job_id = submitted(redis)
    finish(redis, job_id, images, PICTURES[:1])
    command.communicate(timeout=20)

    [asked] = fetch(redis, job_id).args
    assert {name: asked[name] for name, _ in options.values()} == dict(options.values())
    assert asked["output"]["format"] == "jpeg"
    assert (tmp_path / "cat.JPG").read_bytes() == PICTURES[0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "cat.png", "--width", "65"], "width: mini draws sizes from 64 to 256"),
        (["-o", "cat.png", "--url", "http://127.0.0.1:9"], "No Darkroom answers at http://127.0.0.1:9"),
        (["-o", "cat.png", "--url", "localhost:8000"], "localhost:8000 is no address"),
        (["-o", "cat.gif"], "cat.gif names no format: it ends with .png, .jpg, .jpeg, .webp."),
        (["-o", "nowhere/cat.png"], "There is no folder"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_and_nothing_is_posted(
    generate: Generate, redis: Redis, words: list[str], sentence: str
) -> None:
    command = generate(*words)

    said, complained = command.communicate(timeout=20)

    assert (command.returncode, said) == (1, "")
    assert complained.startswith(sentence)
    assert complained.count("\n") == 1
    assert not redis.keys()


def test_off_a_terminal_progress_is_told_in_lines(generate: Generate, redis: Redis, images: Path) -> None:
    command = generate("-o", "cat.png", "--steps", "20")
    assert command.stderr
    job_id = submitted(redis)
    assert command.stderr.readline() == "queued, step 0 of 20 (1 picture)\n"
    run(redis, job_id, Progress(step=7, total_steps=20))
    assert command.stderr.readline() == "running, step 7 of 20 (1 picture)\n"

    finish(redis, job_id, images, PICTURES[:1])

    assert command.communicate(timeout=20)[1] == "succeeded, step 7 of 20 (1 picture)\n"


def test_a_job_that_failed_is_told_with_its_reason(generate: Generate, redis: Redis) -> None:
    command = generate("-o", "cat.png")
    job_id = submitted(redis)
    fail(redis, job_id, JobError(code="out_of_memory", message="It does not fit."))

    _, complained = command.communicate(timeout=20)

    assert command.returncode == 1
    assert f"Job {job_id} failed: It does not fit.\n" in complained


def test_a_job_that_takes_too_long_is_canceled(generate: Generate, http: httpx.Client, redis: Redis) -> None:
    command = generate("-o", "cat.png", "--timeout", "0.3")
    job_id = submitted(redis)

    _, complained = command.communicate(timeout=20)

    assert command.returncode == 1
    assert "was not done after 0.3 s and is canceled.\n" in complained
    assert http.get(f"/v1/jobs/{job_id}").json()["status"] == "canceled"


def test_ctrl_c_cancels_the_job(generate: Generate, http: httpx.Client, redis: Redis) -> None:
    polls_before = polls(http)
    command = generate("-o", "cat.png")
    job_id = submitted(redis)
    wait_until(lambda: polls(http) > polls_before)

    command.send_signal(signal.SIGINT)
    _, complained = command.communicate(timeout=20)

    assert command.returncode == 130
    assert complained.endswith("The job is canceled.\n")
    assert http.get(f"/v1/jobs/{job_id}").json()["status"] == "canceled"


def submitted(redis: Redis) -> str:
    """Waits for the one job of the queue."""
    queue = Queue(queue_name("mini"), connection=redis)
    wait_until(lambda: queue.job_ids)
    return queue.job_ids[0]


def polls(http: httpx.Client) -> float:
    """How many polls the service has answered."""
    counted = 'darkroom_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="200"} '
    lines = http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(counted)) for line in lines if line.startswith(counted))
