import time
from io import BytesIO
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image

from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from tests.service.conftest import Service

STEPS = (6, 8, 10, 12)
GUIDANCES = (1.0, 3.0, 5.0)
SCHEDULERS = {each.__name__: each for each in (DDIMScheduler, DPMSolverMultistepScheduler)}
CAT = "a cat wearing a space helmet"


def mixed_bodies() -> list[dict[str, Any]]:
    return [
        {
            "prompt": CAT,
            "seed": n,
            "num_inference_steps": STEPS[n % 4],
            "guidance_scale": GUIDANCES[n % 3],
            "scheduler": list(SCHEDULERS)[n // 4 % 2],
        }
        for n in range(16)
    ]


def stock_picture(pipeline: DiffusionPipeline, body: dict[str, Any]) -> Image.Image:
    pipeline.scheduler = SCHEDULERS[body["scheduler"]].from_config(pipeline.scheduler.config)
    asked = {name: body[name] for name in ("prompt", "num_inference_steps", "guidance_scale")}
    return pipeline(**asked, generator=torch.Generator().manual_seed(body["seed"])).images[0]


def difference(one: bytes, other: bytes | Image.Image) -> int:
    pictures = [each if isinstance(each, Image.Image) else Image.open(BytesIO(each)) for each in (one, other)]
    first, second = (np.asarray(each, dtype=np.int16) for each in pictures)
    return int(np.abs(first - second).max())


def test_jobs_of_all_kinds_develop_in_one_batch_and_each_gets_the_picture_it_gets_alone(service: Service) -> None:
    bodies = mixed_bodies()
    forwards, rows = service.unet("darkroom_module_forwards_total"), service.unet("darkroom_module_rows_total")
    posted = [service.post(**body)["id"] for body in bodies]
    together = [service.ended(job_id) for job_id in posted]
    forwards = service.unet("darkroom_module_forwards_total") - forwards
    rows = service.unet("darkroom_module_rows_total") - rows

    stock = StableDiffusionPipeline.from_pretrained(Catalogue.read(Settings().catalogue).find("mini").source)
    stock.set_progress_bar_config(disable=True)
    pictures = [service.image(job) for job in together]
    apart = [difference(picture, service.picture(**body)) for picture, body in zip(pictures, bodies, strict=True)]
    from_stock = [
        difference(picture, stock_picture(stock, body)) for picture, body in zip(pictures, bodies, strict=True)
    ]

    assert rows / forwards > 4
    assert max(apart) <= 1
    assert max(from_stock) <= 1


def test_the_same_seed_gives_the_same_bytes_also_after_a_restart(service: Service) -> None:
    body = {"prompt": CAT, "num_inference_steps": 8}
    first = service.ended(service.post(**body)["id"])
    body["seed"] = first["request"]["seed"]

    before = service.image(first), service.picture(**body)
    service.stop()
    service.start()
    after = service.picture(**body)

    assert before == (after, after)
    assert service.image(first) == after


def test_each_picture_of_a_job_is_the_one_its_own_seed_gives(service: Service) -> None:
    body = {"prompt": CAT, "num_inference_steps": 6}
    job = service.ended(service.post(**body, num_images=2, seed=40)["id"])

    assert [image["seed"] for image in job["images"]] == [40, 41]
    assert difference(service.image(job, 1), service.picture(**body, seed=41)) <= 1


def test_progress_is_told_step_by_step(service: Service) -> None:
    job_id = service.post(prompt=CAT, num_inference_steps=60)["id"]

    seen = set()
    while (job := service.job(job_id))["status"] in ("queued", "running"):
        seen.add(job["progress"]["step"])

    assert len(seen) > 3
    assert job["progress"] == {"step": 60, "total_steps": 60}


def test_a_running_job_stops_when_it_is_canceled(service: Service) -> None:
    job_id = service.post(prompt=CAT, num_inference_steps=100)["id"]
    service.wait_for(lambda: service.job(job_id)["progress"]["step"] > 0)

    canceled = service.http.post(f"/v1/jobs/{job_id}/cancel").json()

    assert canceled["status"] == "canceled"
    service.wait_for(lambda: service.running_jobs() == 0)
    forwards = service.unet("darkroom_module_forwards_total")
    time.sleep(0.3)  # longer than a step
    assert service.unet("darkroom_module_forwards_total") == forwards


def test_a_prompt_too_long_to_read_is_cut_and_the_job_says_so(service: Service) -> None:
    job = service.ended(service.post(prompt="a cat " * 100, num_inference_steps=2)["id"])

    assert job["status"] == "succeeded"
    assert [warning.split(":")[0] for warning in job["warnings"]] == ["prompt"]


def test_pictures_come_in_the_format_that_was_asked_for(service: Service) -> None:
    formats = ("png", "jpeg", "webp")
    bodies = [{"prompt": CAT, "num_inference_steps": 2, "output": {"format": each}} for each in formats]

    pictures = [Image.open(BytesIO(service.picture(**body))) for body in bodies]

    assert [picture.format for picture in pictures] == ["PNG", "JPEG", "WEBP"]
