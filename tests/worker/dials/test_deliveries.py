from collections.abc import Callable

from prometheus_client import CollectorRegistry

from tests.worker.couriers import StartCourier
from tests.worker.queue.eventually import eventually
from tests.worker.receiver import receiving
from worker.dials.deliveries import DeliveryDials


def test_each_attempt_is_counted_by_its_result_and_the_yes_by_how_late_it_came(
    start_courier: StartCourier, end_job: Callable[..., str]
) -> None:
    registry = CollectorRegistry()
    dials = DeliveryDials(registry)

    def attempts(result: str) -> float:
        return registry.get_sample_value("darkroom_webhook_attempts_total", {"result": result}) or 0

    with receiving(500, 204) as moody, receiving(503) as dead:
        start_courier(moody, dead, delays_s=(0.3,), dials=dials)
        end_job(moody.url)
        end_job(dead.url)
        eventually(lambda: attempts("dead") and attempts("delivered"))

    assert (attempts("delivered"), attempts("failed"), attempts("dead")) == (1, 2, 1)
    assert registry.get_sample_value("darkroom_webhook_lag_seconds_count") == 1
    lag_s = registry.get_sample_value("darkroom_webhook_lag_seconds_sum") or 0
    assert lag_s >= moody.heard[1].at - moody.heard[0].at > 0.2  # the pause, less what it varies by
