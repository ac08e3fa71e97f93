from typing import Any

import httpx
import pytest

from tests.app.test_problems import assert_problem


def send(http: httpx.Client, **asked: object) -> dict[str, object]:
    job: dict[str, object] = http.post("/v1/jobs", json={"prompt": "a cat", **asked}).json()
    return job


def test_the_pages_of_a_list_are_linked(http: httpx.Client) -> None:
    sent = [send(http) for _ in range(5)]

    first = http.get("/v1/jobs", params={"limit": 3, "status": "queued"})
    second = http.get(first.links["next"]["url"])

    assert [job["id"] for job in (*first.json()["data"], *second.json()["data"])] == [job["id"] for job in sent[::-1]]
    assert (first.json()["object"], first.json()["has_more"], second.json()["has_more"]) == ("list", True, False)
    assert first.json()["next_cursor"] in first.links["next"]["url"]
    assert (second.json()["next_cursor"], second.links) == (None, {})


def test_a_listed_job_is_what_it_is_alone(http: httpx.Client) -> None:
    sent = [send(http) for _ in range(2)]

    listed = http.get("/v1/jobs").json()["data"]

    assert listed == sent[::-1]
    assert [job["queue"]["position"] for job in listed] == [2, 1]


def test_jobs_are_found_by_their_metadata_and_time(http: httpx.Client) -> None:
    job = send(http, metadata={"who": "me & you", "a[b]": "c"})
    other = send(http)

    def listed(**asked: Any) -> list[object]:
        return [each["id"] for each in http.get("/v1/jobs", params=asked).json()["data"]]

    assert listed(**{"metadata[who]": "me & you", "metadata[a[b]]": "c"}) == [job["id"]]
    assert listed(**{"metadata[who]": "you"}) == []
    assert listed(created_after=other["created_at"]) == [other["id"]]
    assert listed(created_before=other["created_at"]) == [job["id"]]
    assert listed(model="unknown") == []


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"status": "gone"}, {"created_after": "yesterday"}]
)
def test_a_question_that_makes_no_sense_is_a_422_that_names_it(http: httpx.Client, asked: dict[str, Any]) -> None:
    problem = assert_problem(http.get("/v1/jobs", params=asked), 422)

    assert [each["field"] for each in problem["errors"]] == list(asked)
