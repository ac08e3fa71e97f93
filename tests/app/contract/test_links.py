import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import redis.asyncio

from app.contract import names
from app.contract.errors import LinkExpired, LinkInvalid
from app.contract.links import Links, read_links
from app.contract.settings import Settings

PATH = "/v1/jobs/cat/images/0"
LINKS = Links(b"secret", lifetime_s=3600)


def opened(link: str) -> tuple[str, Mapping[str, str]]:
    parts = urlsplit(link)
    return parts.path, dict(parse_qsl(parts.query))


def test_a_signed_path_tells_whose_it_is() -> None:
    path, query = opened(LINKS.sign(PATH, "tenant1"))

    assert path == PATH
    assert LINKS.check(path, query) == "tenant1"


def test_the_open_tenant_needs_no_signature() -> None:
    assert LINKS.sign(PATH, names.OPEN_TENANT) == PATH


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "tenant2"},
        {"tenant": ""},
        {"exp": "99999999999"},
        {"exp": "1e11"},
        {"sig": ""},
        {"sig": "ä"},
        {"sig": "A" * 43},
    ],
)
def test_a_link_that_was_changed_is_refused(change: dict[str, str]) -> None:
    path, query = opened(LINKS.sign(PATH, "tenant1"))

    with pytest.raises(LinkInvalid):
        LINKS.check(path, {**query, **change})


def test_a_link_of_one_picture_opens_no_other() -> None:
    _, query = opened(LINKS.sign(PATH, "tenant1"))

    with pytest.raises(LinkInvalid):
        LINKS.check("/v1/jobs/cat/images/1", query)


def test_parts_of_a_link_cannot_change_places() -> None:
    _, query = opened(LINKS.sign(PATH, "tenant1"))
    moved = {**query, "tenant": f"tenant1\n{query['exp']}", "exp": PATH}

    with pytest.raises(LinkInvalid):
        LINKS.check("", moved)


def test_links_of_another_secret_are_refused() -> None:
    path, query = opened(Links(b"another", lifetime_s=3600).sign(PATH, "tenant1"))

    with pytest.raises(LinkInvalid):
        LINKS.check(path, query)


def test_a_link_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    path, query = opened(LINKS.sign(PATH, "tenant1"))

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)

    with pytest.raises(LinkExpired):
        LINKS.check(path, query)


def test_a_link_stays_the_same_for_a_while_and_is_never_short(monkeypatch: pytest.MonkeyPatch) -> None:
    lifetimes, links = [], set()
    for second in range(1_799_996_400, 1_800_000_000, 7):  # an hour
        monkeypatch.setattr(time, "time", lambda now=second: now)
        links.add(LINKS.sign(PATH, "tenant1"))
        lifetimes.append(int(LINKS.period_for("tenant1")) - second)

    assert len(links) == 6
    assert min(lifetimes) >= 3000
    assert max(lifetimes) <= 3600


def test_all_processes_sign_with_the_secret_that_redis_keeps(redis_url: str) -> None:
    async def read() -> list[Links]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return list(await asyncio.gather(*(read_links(client, Settings()) for _ in range(10))))

    first, *others = asyncio.run(read())

    assert all(each == first for each in others)
    assert len(first.secret) >= 32


def test_a_secret_of_the_settings_comes_first_and_no_link_outlives_the_pictures(redis_url: str, tmp_path: Path) -> None:
    async def read() -> Links:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await read_links(client, Settings(signing_secret="s" * 32, retention_s=60, state_dir=tmp_path))

    assert asyncio.run(read()) == Links(b"s" * 32, lifetime_s=60)
