import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from redis import Redis

from app import sse
from app.contract import names
from app.contract.events import EventType
from app.contract.storage import Storage
from tests.app.processes import wait_until
from tests.app.test_problems import assert_problem
from tests.app.told import Told, told
from tests.worker.queue.hand import Hand


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


def submit(http: httpx.Client, **body: Any) -> dict[str, Any]:
    return cast(dict[str, Any], http.post("/v1/jobs", json={"prompt": "a cat", **body}).json())


def listen(http: httpx.Client, path: str, **headers: str) -> list[Told]:
    with http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        return list(told(answer.iter_lines()))


def finish(hand: Hand) -> None:
    hand.finish(hand.claim()[0])


def test_what_happens_to_a_job_is_told_as_it_happens_and_last_comes_the_job(http: httpx.Client, hand: Hand) -> None:
    job = submit(http)
    with http.stream("GET", job["urls"]["events"]) as answer:
        events = told(answer.iter_lines())
        first = next(events)
        [claim] = hand.claim()
        claim.report(3, 20)
        hand.beat([claim])
        hand.finish(claim)
        rest = list(events)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert (first["event"], int(first["retry"])) == ("queued", sse.RETRY_MS)
    assert [event["event"] for event in rest] == ["started", "progress", "succeeded"]
    assert rest[1]["data"] == {"step": 3, "total_steps": 20}
    assert rest[-1]["data"] == http.get(job["urls"]["self"]).json()


def test_who_comes_back_goes_on_where_he_was_and_is_sent_away_when_he_has_seen_all(
    http: httpx.Client, hand: Hand
) -> None:
    path = submit(http)["urls"]["events"]
    finish(hand)
    queued, started, succeeded = listen(http, path)

    later = listen(http, path, **{"Last-Event-ID": queued["id"]})
    latest = listen(http, f"{path}?after={succeeded['id']}", **{"Last-Event-ID": started["id"]})
    over = http.get(path, headers={"Last-Event-ID": succeeded["id"]})

    assert [each["id"] for each in later] == [started["id"], succeeded["id"]]
    assert listen(http, f"{path}?after={queued['id']}") == later
    assert [each["id"] for each in latest] == [succeeded["id"]]
    assert (over.status_code, over.content) == (204, b"")


def test_of_what_is_not_kept_any_more_the_job_is_told(http: httpx.Client, redis: Redis, hand: Hand) -> None:
    job = submit(http)
    finish(hand)
    redis.delete(names.events_key(job["id"]))

    [snapshot] = listen(http, job["urls"]["events"])

    assert (snapshot["event"], snapshot["data"]["status"]) == ("snapshot", "succeeded")
    assert http.get(job["urls"]["events"], headers={"Last-Event-ID": snapshot["id"]}).status_code == 204


def test_a_job_that_is_not_there_has_no_events(http: httpx.Client) -> None:
    assert_problem(http.get("/v1/jobs/unknown/events"), 404)


def test_a_job_that_is_erased_tells_its_end_to_who_listens_and_nothing_to_who_comes_later(http: httpx.Client) -> None:
    job = submit(http)
    with http.stream("GET", job["urls"]["events"]) as answer:
        events = told(answer.iter_lines())
        next(events)
        http.delete(job["urls"]["self"]).raise_for_status()
        rest = [(event["event"], event["data"]) for event in events]

    assert rest == [("canceled", {"id": job["id"], "object": "job", "status": "canceled"})]
    assert_problem(http.get(job["urls"]["events"]), 410)


@pytest.mark.parametrize("given", ["x", "-1-0", "1", "9" * 21 + "-0"])
def test_an_id_that_no_event_has_is_refused_or_if_a_browser_sends_it_left_aside(
    http: httpx.Client, hand: Hand, given: str
) -> None:
    path = submit(http)["urls"]["events"]
    finish(hand)

    assert_problem(http.get(path, params={"after": given}), 422)
    assert len(listen(http, path, **{"Last-Event-ID": given})) == 3


def test_after_an_id_beyond_all_ids_there_is_nothing(http: httpx.Client, hand: Hand) -> None:
    path = submit(http)["urls"]["events"]
    finish(hand)

    assert http.get(path, params={"after": f"{'9' * 20}-{'9' * 20}"}).status_code == 204


def test_a_ping_keeps_the_connection_open_while_nothing_happens(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "PING_S", 0.05)

    with http.stream("GET", submit(http)["urls"]["events"]) as answer:
        assert ": ping" in answer.iter_lines()


def test_nothing_stays_of_clients_that_have_gone(http: httpx.Client, redis: Redis) -> None:
    streams = [http.stream("GET", job["urls"]["events"]) for job in [submit(http) for _ in range(3)] * 4]
    listening = [told(stream.__enter__().iter_lines()) for stream in streams]
    assert {next(events)["event"] for events in listening} == {"queued"}
    assert len(redis.pubsub_channels()) == 3

    for stream in streams:
        stream.__exit__(None, None, None)

    wait_until(lambda: redis.pubsub_channels() == [])


def test_previews_are_told_with_their_address_to_who_has_not_declined_them(
    http: httpx.Client, hand: Hand, images: Path
) -> None:
    job = submit(http, previews=1)
    [claim] = hand.claim()
    Storage(images.as_uri()).put(names.preview_key(job["id"], 5), b"webp", "image/webp")
    claim.tell(EventType.PREVIEW, step=5, total_steps=20)
    hand.finish(claim)

    _, _, preview, _ = listen(http, job["urls"]["events"])
    without = listen(http, f"{job['urls']['events']}?previews=false")

    assert (preview["event"], preview["data"]["step"], preview["data"]["total_steps"]) == ("preview", 5, 20)
    picture = http.get(preview["data"]["url"])
    assert (picture.status_code, picture.content, picture.headers["content-type"]) == (200, b"webp", "image/webp")
    assert [event["event"] for event in without] == ["queued", "started", "succeeded"]


@pytest.mark.parametrize("step", ["6", "0", "x", "05", "9" * 7])
def test_a_preview_that_there_is_not_is_a_404(http: httpx.Client, step: str) -> None:
    path = submit(http)["urls"]["self"]

    assert_problem(http.get(f"{path}/previews/{step}"), 404)


def test_many_listeners_that_are_cut_off_again_and_again_see_every_event_once(
    service: str, redis: Redis, http: httpx.Client, hand: Hand
) -> None:
    jobs = [submit(http) for _ in range(4)]
    claims = hand.claim(4)

    with ThreadPoolExecutor(20) as listeners:
        heard = [(job["id"], listeners.submit(follow_in_parts, service, job)) for job in jobs for _ in range(5)]
        for step in range(30):
            for claim in claims:
                claim.report(step, 30)
            hand.beat(claims)
            time.sleep(0.01)
        for claim in claims:
            hand.finish(claim)

    assert all(seen.result() == ids_in_stream(redis, job_id) for job_id, seen in heard)


def follow_in_parts(service: str, job: dict[str, Any]) -> list[str]:
    seen: list[str] = []
    with httpx.Client(base_url=service, trust_env=False) as own:
        while True:
            headers = {"Last-Event-ID": seen[-1]} if seen else {}
            with own.stream("GET", job["urls"]["events"], headers=headers) as answer:
                if answer.status_code == 204:
                    return seen
                events = told(answer.iter_lines())
                seen += [event["id"] for _, event in zip(range(4), events, strict=False)]  # and then it is cut off


def ids_in_stream(redis: Redis, job_id: str) -> list[str]:
    return [entry_id.decode() for entry_id, _ in cast(Any, redis).xrange(names.events_key(job_id))]
