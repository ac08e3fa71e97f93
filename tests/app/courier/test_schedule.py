import pytest

from app.courier.schedule import DELAYS_S, next_delay_s


@pytest.mark.parametrize(("attempt", "delay_s"), list(enumerate(DELAYS_S, start=1)))
def test_each_delay_is_the_schedules_more_or_less(attempt: int, delay_s: float) -> None:
    drawn = [next_delay_s(attempt, 0) or 0 for _ in range(200)]

    assert 0.8 * delay_s <= min(drawn) < 0.95 * delay_s
    assert 1.05 * delay_s < max(drawn) <= 1.2 * delay_s


def test_eight_attempts_within_a_day_are_enough() -> None:
    assert DELAYS_S == (5, 30, 300, 1_800, 7_200, 18_000, 36_000)
    assert next_delay_s(8, 600) is None


def test_a_receiver_may_ask_for_more_patience_but_not_for_any() -> None:
    assert next_delay_s(1, 600) == 600
    assert next_delay_s(1, 1e9) == 3_600
    assert (next_delay_s(7, 1) or 0) > 3_600
    assert (next_delay_s(1, -5) or 0) >= 4
