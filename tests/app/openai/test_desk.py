from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.app.painter import Painter

ASKED = {"prompt": "a cat", "response_format": "url"}


@pytest.mark.parametrize(
    ("public_url", "headers", "begins"),
    [
        ("https://images.example.org/darkroom/", {}, "https://images.example.org/darkroom"),
        (None, {"X-Forwarded-Proto": "https", "Host": "images.example.org"}, "https://images.example.org"),
    ],
)
def test_the_address_of_a_picture_is_the_one_that_callers_can_reach(
    http_with: Callable[..., httpx.Client],
    redis: Redis,
    tmp_path: Path,
    public_url: str | None,
    headers: dict[str, str],
    begins: str,
) -> None:
    http = http_with(storage_url=tmp_path.as_uri(), **({"public_url": public_url} if public_url else {}))
    painter = Painter(redis, tmp_path)

    with ThreadPoolExecutor() as executor:
        asked = executor.submit(http.post, "/v1/images/generations", json=ASKED, headers=headers, timeout=30)
        claim = painter.take()
        painter.paint(claim, b"\x89PNG")

    [picture] = asked.result().json()["data"]
    assert picture["url"] == f"{begins}/v1/jobs/{claim.job_id}/images/0"
