"""The courier: delivers what the outbox holds, many at once: `python -m worker.courier`. It needs no torch.

To rq it is a worker like the others, with a lease, and its deliveries are jobs: what it leaves undelivered another
courier takes up, and what cannot be delivered is a failed job.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from functools import partial
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from prometheus_client import CollectorRegistry

from app.contract import logs, names
from app.contract.delivery import Delivery
from app.contract.errors import Overloaded, Undelivered
from app.contract.settings import Settings
from app.contract.tracing import tracer
from app.contract.unstartable import Unstartable
from app.courier.doors import Full
from app.courier.schedule import DELAYS_S, next_delay_s
from app.courier.sender import Sender, sending
from worker.dials.deliveries import DeliveryDials
from worker.dials.server import serving
from worker.queue import Claim, QueueWorker, TryAgain
from worker.redis_client import connect
from worker.witness import delivering

CAPACITY = 64  # deliveries at once
AWAY_S = 1.0  # Redis's outage is not the receiver's fault

logger = logging.getLogger(__name__)


class Courier:
    """Delivers claims; the sending itself happens in the portal's event loop."""

    def __init__(
        self,
        portal: BlockingPortal,
        sender: Sender,
        delays_s: Sequence[float] = DELAYS_S,
        dials: DeliveryDials | None = None,
    ) -> None:
        self._portal = portal
        self._sender = sender
        self._delays_s = delays_s
        self._dials = dials or DeliveryDials()

    def deliver(self, claim: Claim) -> dict[str, Any]:
        """Raises TryAgain, and Undelivered when it was tried for the last time."""
        delivery = claim.read(Delivery)
        sent = self._portal.start_task_soon(self._sender.send, claim.job_id, delivery)
        claim.when_lost(sent.cancel)
        try:
            receipt = sent.result()
        except CancelledError:  # the delivery is not this courier's any more
            raise
        except Full as full:
            raise TryAgain(str(full), full.again_in_s, counts=False) from None
        except Overloaded as away:
            raise TryAgain(str(away), AWAY_S, counts=False) from None
        except Undelivered as failed:
            raise self._verdict(claim, failed) from None
        except Exception as fault:  # of ours: the receiver is to get its other attempts all the same
            logger.exception("The delivery %s failed.", claim.job_id)
            raise self._verdict(claim, Undelivered("The delivery failed through a fault of the service.")) from fault
        self._dials.delivered(delivery.at)
        return receipt.model_dump()

    def _verdict(self, claim: Claim, failed: Undelivered) -> Exception:
        delay_s = None if failed.final else next_delay_s(claim.attempt, failed.retry_after_s, self._delays_s)
        self._dials.failed(is_last=delay_s is None)
        return failed if delay_s is None else TryAgain(str(failed), delay_s)


def main(settings: Settings, name: str | None = None, delays_s: Sequence[float] = DELAYS_S) -> None:
    """Runs one courier until the first SIGTERM or SIGINT and the end of its deliveries."""
    registry = CollectorRegistry()
    with (
        closing(tracer(settings, "darkroom-courier")) as tracing,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sending(settings)) as sender,
    ):
        worker = QueueWorker(
            [names.DELIVERIES],
            name,
            connection=connect(settings.redis_address),
            develop=Courier(portal, sender, delays_s, DeliveryDials(registry)).deliver,
            observe=partial(delivering, tracer=tracing),
            capacity=CAPACITY,
            lease_s=settings.lease_s,
            grace_s=settings.grace_s,
        )
        with serving(
            settings.host,
            settings.metrics_port,
            registry,
            is_alive=lambda: True,
            is_ready=lambda: worker.is_at_work,
        ):
            worker.work()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m worker.courier", description="Delivers webhooks.")
    parser.add_argument("--name", help="the courier's name in rq; it begins with darkroom-")
    name, settings = parser.parse_args().name, Settings()
    logs.set_up(settings.log_format, settings.log_level)
    try:
        main(settings, name)
    except Unstartable as error:
        logger.critical(str(error))
        sys.exit(1)
