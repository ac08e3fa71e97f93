import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest
from redis import Redis

from app.waiting import WAIT_MAX_S
from tests.app.processes import wait_until
from tests.worker.queue.hand import Hand

BODY = {"prompt": "a cat", "seed": 7}

Soon = Callable[[Callable[[], object]], object]


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


@pytest.fixture
def soon() -> Iterator[Soon]:
    """Has something done while the test waits."""
    with ThreadPoolExecutor() as others:
        yield others.submit


def start(hand: Hand) -> None:
    time.sleep(0.1)
    hand.claim()


def finish(hand: Hand) -> None:
    while not (claims := hand.claim()):
        time.sleep(0.01)
    time.sleep(0.05)
    hand.finish(claims[0])


def submit(http: httpx.Client) -> dict[str, Any]:
    job: dict[str, Any] = http.post("/v1/jobs", json=BODY).json()
    return job


@pytest.mark.parametrize(
    "prefer", ["wait=30", "respond-async, wait=30", 'Wait = "30"; foo=1', "wait=30, handling=strict"]
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/mine"])
def test_who_prefers_to_wait_gets_the_job_at_its_end(
    http: httpx.Client, hand: Hand, soon: Soon, prefer: str, path: str
) -> None:
    soon(partial(finish, hand))

    answer = http.request("POST" if path == "/v1/jobs" else "PUT", path, json=BODY, headers={"prefer": prefer})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"] == answer.json()["urls"]["self"]
    assert "retry-after" not in answer.headers


def test_a_job_that_does_not_end_in_time_is_answered_as_it_is(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json=BODY, headers={"prefer": "wait=1"})

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("prefer", ["respond-async", "wait=soon", "wait", "await=30", "wait=-1", "wait=0"])
def test_a_preference_that_is_not_understood_is_ignored(http: httpx.Client, prefer: str) -> None:
    assert http.post("/v1/jobs", json=BODY, headers={"prefer": prefer}).status_code == 202


def test_a_repeat_that_waits_gets_the_end_of_the_job_that_was_there(http: httpx.Client, hand: Hand, soon: Soon) -> None:
    http.put("/v1/jobs/mine", json=BODY)
    soon(partial(finish, hand))

    again = http.put("/v1/jobs/mine", json=BODY, headers={"prefer": "wait=30"})

    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert again.headers["idempotency-replayed"] == "true"


def test_a_poller_that_waits_is_answered_when_the_job_has_ended(http: httpx.Client, hand: Hand, soon: Soon) -> None:
    path = submit(http)["urls"]["self"]
    soon(partial(finish, hand))

    answer = http.get(path, params={"wait": 30})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


def test_a_poller_that_waits_is_answered_as_soon_as_the_job_is_not_what_he_knows(
    http: httpx.Client, hand: Hand, soon: Soon
) -> None:
    path = submit(http)["urls"]["self"]
    known = http.get(path).headers["etag"]
    soon(partial(start, hand))

    answer = http.get(path, params={"wait": 30}, headers={"if-none-match": known})
    at_once = http.get(path, params={"wait": 30}, headers={"if-none-match": known})
    in_vain = http.get(path, params={"wait": 1}, headers={"if-none-match": answer.headers["etag"]})

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert at_once.json() == answer.json()
    assert in_vain.status_code == 304


def test_an_ended_job_is_answered_at_once(http: httpx.Client, hand: Hand) -> None:
    path = submit(http)["urls"]["self"]
    hand.finish(hand.claim()[0])

    answer = http.get(path, params={"wait": 30})
    same = http.get(path, params={"wait": 30}, headers={"if-none-match": answer.headers["etag"]})

    assert (answer.status_code, same.status_code) == (200, 304)


@pytest.mark.parametrize("wait", ["-1", str(WAIT_MAX_S + 1), "x", ""])
def test_a_wait_that_is_too_long_or_no_number_is_refused(http: httpx.Client, wait: str) -> None:
    assert http.get(submit(http)["urls"]["self"], params={"wait": wait}).status_code == 422


def test_nothing_stays_of_clients_that_have_gone(service: str, http: httpx.Client, redis: Redis) -> None:
    path = submit(http)["urls"]["self"]
    with httpx.Client(base_url=service, trust_env=False, timeout=0.3) as impatient:
        for ask in (
            lambda: impatient.get(path, params={"wait": 60}),
            lambda: impatient.post("/v1/jobs", json=BODY, headers={"prefer": "wait=60"}),
        ):
            with pytest.raises(httpx.ReadTimeout):
                ask()

    wait_until(lambda: redis.pubsub_channels() == [])
