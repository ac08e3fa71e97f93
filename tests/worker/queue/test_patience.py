import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from worker.queue.patience import LONGEST_S, SHORTEST_S, Patience, patiently

AWAY = RedisConnectionError("away")


def test_waits_grow_from_short_to_long_and_no_further() -> None:
    patience = Patience()

    waits = [patience.next_wait_s(AWAY) for _ in range(20)]

    assert SHORTEST_S / 2 <= waits[0] <= SHORTEST_S
    assert all(LONGEST_S / 2 <= wait <= LONGEST_S for wait in waits[10:])
    patience.reset()
    assert patience.next_wait_s(AWAY) <= SHORTEST_S


def test_a_call_is_repeated_until_redis_answers() -> None:
    outages = [AWAY, AWAY]

    def call() -> None:
        if outages:
            raise outages.pop()

    assert patiently(call, give_up=lambda: False)


def test_a_call_that_is_given_up_says_so() -> None:
    calls: list[None] = []

    def call() -> None:
        calls.append(None)
        raise AWAY

    assert not patiently(call, give_up=lambda: len(calls) == 2)


@pytest.mark.parametrize(
    "refusal",
    [OutOfMemoryError("command not allowed"), ReadOnlyError("a replica"), ResponseError("MISCONF Errors writing.")],
)
def test_a_refusal_that_may_pass_is_waited_for(refusal: ResponseError) -> None:
    refusals = [refusal]

    def call() -> None:
        if refusals:
            raise refusals.pop()

    assert patiently(call, give_up=lambda: False)


def test_a_refusal_that_stays_is_raised() -> None:
    def call() -> None:
        raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        patiently(call, give_up=lambda: False)
