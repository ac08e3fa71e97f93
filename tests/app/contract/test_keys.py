from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from pydantic import ValidationError
from redis import Redis

from app.contract import names
from app.contract.errors import KeyInvalid
from app.contract.key_text import draw_id, draw_key
from app.contract.keys import KeyStore, Scope
from app.contract.limits import Limits

pytestmark = pytest.mark.anyio
ALL = frozenset(Scope)


@pytest.fixture
async def keys(redis_url: str) -> AsyncIterator[KeyStore]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield KeyStore(client)


async def test_a_key_opens_with_its_text_and_no_other(keys: KeyStore) -> None:
    key, text = await keys.create("mine", frozenset({Scope.READ}), Limits(max_jobs=3))
    _, other = await keys.create("yours", ALL, Limits())

    found = await keys.authenticate(text)

    assert (found.id, found.tenant, found.scopes, found.limits.max_jobs) == (
        key.id,
        key.tenant,
        frozenset({Scope.READ}),
        3,
    )
    assert await keys.authenticate(other) != found
    for wrong in ("dk_", f"dk_{key.id}_{other[16:]}", draw_key(key.id), draw_key(draw_id())):
        with pytest.raises(KeyInvalid):
            await keys.authenticate(wrong)


async def test_redis_holds_nothing_of_a_key_that_would_open(keys: KeyStore, redis: Redis) -> None:
    _, text = await keys.create("mine", ALL, Limits())
    await keys.authenticate(text)

    held = repr(
        [redis.hgetall(name) if redis.type(name) == b"hash" else redis.smembers(name) for name in redis.scan_iter()]
    )

    assert text.rpartition("_")[2] not in held


async def test_each_key_has_a_tenant_of_its_own_unless_it_is_told_one(keys: KeyStore) -> None:
    first, _ = await keys.create("one", ALL, Limits())
    second, _ = await keys.create("two", ALL, Limits())
    third, _ = await keys.create("three", ALL, Limits(), tenant=first.tenant)

    assert len({first.tenant, second.tenant, names.OPEN_TENANT}) == 3
    assert third.tenant == first.tenant


@pytest.mark.parametrize("tenant", [names.OPEN_TENANT, "a_b", "A", "a" * 33, "ä", "a\n"])
async def test_a_tenant_that_could_be_taken_for_another_is_refused(keys: KeyStore, tenant: str) -> None:
    with pytest.raises(ValidationError):
        await keys.create("mine", ALL, Limits(), tenant=tenant)

    assert await keys.all() == []


async def test_a_key_that_is_revoked_opens_no_more_and_stays_on_the_list(keys: KeyStore) -> None:
    key, text = await keys.create("mine", ALL, Limits())

    await keys.revoke(key.id)

    with pytest.raises(KeyInvalid):
        await keys.authenticate(text)
    assert [each.revoked_at is not None for each in await keys.all()] == [True]
    assert await keys.exist()
    with pytest.raises(KeyInvalid):
        await keys.revoke("unknown")


async def test_a_key_opens_until_it_expires(keys: KeyStore) -> None:
    now = datetime.now(UTC)
    _, valid = await keys.create("new", ALL, Limits(), expires_at=now + timedelta(minutes=1))
    _, expired = await keys.create("old", ALL, Limits(), expires_at=now - timedelta(seconds=1))

    assert (await keys.authenticate(valid)).name == "new"
    with pytest.raises(KeyInvalid):
        await keys.authenticate(expired)


async def test_the_last_use_of_a_key_is_known(keys: KeyStore) -> None:
    _, text = await keys.create("mine", ALL, Limits())
    assert [each.used_at for each in await keys.all()] == [None]

    await keys.authenticate(text)
    [first] = [each.used_at for each in await keys.all()]
    await keys.authenticate(text)

    assert first
    assert datetime.now(UTC) - first < timedelta(minutes=1)
    assert [each.used_at for each in await keys.all()] == [first]


@pytest.mark.parametrize("bound", [1, 7, 333, 10**15])
async def test_a_key_may_send_a_minute_of_requests_at_once_and_no_more(keys: KeyStore, bound: int) -> None:
    paces = [await keys.count_request("key", bound) for _ in range(min(bound, 333))]

    last = await keys.count_request("key", bound)

    assert all(pace.is_allowed for pace in paces)
    if bound < 10:  # a share of a minute is longer than this test
        assert [pace.left for pace in paces] == list(range(bound - 1, -1, -1))
        assert not last.is_allowed
        assert 0 < last.wait_s <= 60 / bound + 1
        assert 60 - 60 / bound <= last.full_s <= 60


async def test_a_request_that_is_refused_does_not_put_the_next_one_off(keys: KeyStore, redis: Redis) -> None:
    await keys.count_request("key", 1)
    before = redis.get(names.rate_key("key"))

    for _ in range(5):
        await keys.count_request("key", 1)

    assert redis.get(names.rate_key("key")) == before
    assert 0 < redis.pttl(names.rate_key("key")) <= 60_000


async def test_a_rate_comes_back_with_time(keys: KeyStore, redis: Redis) -> None:
    while (await keys.count_request("key", 3)).is_allowed:
        pass

    caught_up = float(redis.get(names.rate_key("key")) or 0)
    redis.set(names.rate_key("key"), caught_up - 20_000)  # as if a third of a minute had gone by

    assert (await keys.count_request("key", 3)).is_allowed
    assert not (await keys.count_request("key", 3)).is_allowed


async def test_a_key_opens_while_redis_takes_no_writes(keys: KeyStore, redis: Redis) -> None:
    key, text = await keys.create("mine", ALL, Limits())

    redis.config_set("min-replicas-to-write", 1)
    try:
        assert (await keys.authenticate(text)).id == key.id
    finally:
        redis.config_set("min-replicas-to-write", 0)
