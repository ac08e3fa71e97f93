import pytest
from pydantic import ValidationError

from app.contract.sentinel import SentinelAddress
from app.contract.settings import Settings


def test_an_address_names_sentinels_service_and_database() -> None:
    found = SentinelAddress.parse("redis+sentinel://one:26380,two,[::1]:26381/primary/3")

    assert found.sentinels == [("one", 26380), ("two", 26379), ("::1", 26381)]
    assert (found.service, found.options, found.sentinel_options) == ("primary", {"db": 3}, {})


def test_user_and_password_are_for_redis_and_encryption_is_for_all() -> None:
    found = SentinelAddress.parse("rediss+sentinel://me:p%40ss%2Fword@one/primary?sentinel_password=other")

    assert found.options == {"username": "me", "password": "p@ss/word", "ssl": True, "db": 0}
    assert found.sentinel_options == {"password": "other", "ssl": True}
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    "rest", ["", "one:26379", "one:26379/", "one:many/primary", "one:99999/primary", "one,/primary", "one/primary/db"]
)
def test_a_wrong_address_is_refused_in_a_sentence_without_the_password(rest: str) -> None:
    with pytest.raises(ValidationError, match="Sentinel") as refused:
        Settings(redis_url=f"redis+sentinel://:secret@{rest}")

    [error] = refused.value.errors()
    assert "secret" not in error["msg"]


def test_an_address_with_several_sentinels_is_a_setting() -> None:
    address = "redis+sentinel://me:secret@one:26380,two:26380,three:26380/primary/3"

    assert Settings(redis_url=address).redis_url == address
