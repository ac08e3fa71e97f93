from collections.abc import Callable

import httpx
from redis import Redis

from app.contract.announcement import Pace
from app.contract.job import Progress
from tests.app.announced import announce
from tests.app.finished import run

PACE = Pace(model="mini", step_s=0.1, job_s=0.5)


def test_a_job_that_waits_says_where_and_how_long(http_with: Callable[..., httpx.Client], redis: Redis) -> None:
    announce(redis, "one", paces=[PACE])
    http = http_with()
    sent = [http.post("/v1/jobs", json={"prompt": "a cat", "num_inference_steps": 20}).json() for _ in range(16)]

    places = [http.get(job["urls"]["self"]).json()["queue"] for job in sent]

    assert [job["queue"]["position"] for job in sent] == list(range(1, 17))
    assert places == [job["queue"] for job in sent]
    assert places[0]["eta_s"] == 2.0  # of 16 slots three are taken
    assert places[15]["eta_s"] == 3 * 0.5 + 2.0


def test_a_job_that_does_not_wait_has_no_place(http: httpx.Client, redis: Redis) -> None:
    running, canceled, waits = (http.post("/v1/jobs", json={"prompt": "a cat"}).json() for _ in range(3))
    run(redis, running["id"], Progress(total_steps=1))
    http.post(canceled["urls"]["cancel"])

    places = [http.get(job["urls"]["self"]).json()["queue"] for job in (running, canceled, waits)]

    assert places[:2] == [None, None]
    assert places[2] is not None


def test_a_poller_hears_that_its_job_has_come_forward(http: httpx.Client) -> None:
    first, second = (http.post("/v1/jobs", json={"prompt": "a cat"}) for _ in range(2))
    path, etag = second.headers["location"], second.headers["etag"]

    same = http.get(path, headers={"if-none-match": etag})
    http.post(f"{first.headers['location']}/cancel")
    forward = http.get(path, headers={"if-none-match": etag})

    assert same.status_code == 304
    assert (forward.status_code, forward.json()["queue"]["position"]) == (200, 1)


def test_the_queue_of_each_model_is_told(http_with: Callable[..., httpx.Client], redis: Redis) -> None:
    http = http_with()
    [idle] = http.get("/v1/queue").json()["data"]
    announce(redis, "one", paces=[PACE])
    http = http_with()
    for _ in range(3):
        http.post("/v1/jobs", json={"prompt": "a cat"})

    [busy] = http.get("/v1/queue").json()["data"]

    nothing = dict.fromkeys(("oldest_s", "step_s", "job_s", "eta_s"))
    assert idle == {"model": "mini", "depth": 0, "running": 0, "workers": 0, **nothing}
    assert (busy["depth"], busy["running"], busy["workers"], busy["step_s"], busy["job_s"]) == (3, 0, 1, 0.1, 0.5)
    assert busy["oldest_s"] >= 0
    assert busy["eta_s"] > 0
