import logging
import os
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any, NoReturn

from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq.command import parse_payload
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus
from rq.worker.base import BaseWorker

from app.contract import names
from app.contract.announcement import Announcement
from worker.queue import endings
from worker.queue.attempt import Develop, attempt, develop_nothing
from worker.queue.claim import Claim
from worker.queue.conclusion import Discard, conclude, discard_nothing
from worker.queue.errors import WorkerBroken
from worker.queue.heart import Heart
from worker.queue.ledger import WORKER_PREFIX, Commands, Ledger
from worker.queue.pacer import Pacer
from worker.queue.patience import Patience, patiently
from worker.queue.slots import Slots
from worker.queue.upkeep import Upkeep

logger = logging.getLogger(__name__)

POLL_S = 0.2  # stock rq enqueues without waking anybody
BUSY_BEAT_S = 0.25  # a short job's progress is to be seen
IDLE_BEAT_S = 1.0
SAME_WISH_S = 1.0  # a supervisor passes on the terminal's Ctrl-C: one wish, two signals
LISTEN_AGAIN_S = 0.5
ABORT_S = 2.0  # what an aborted job gets to leave the engine


class QueueWorker(BaseWorker):
    """Claims as many jobs as it has room for and develops each in a slot of its own, until it is told to stop.

    It wants a Redis client of its own, with a short timeout and without decoding, and calls it only in `work`.
    `announce` is called with each beat; both it and `develop` raise WorkerBroken to have this process end. `discard` is
    called when what `develop` has made is to be seen by nobody, since the job was canceled, erased or taken away. The
    context of `observe` lasts as long as a claim is in hand; when it ends, the claim's `result` says how that ended.
    """

    def __init__(  # noqa: PLR0913 - options with defaults, and rq's own
        self,
        models: Sequence[str],
        name: str | None = None,
        *,
        connection: Redis,
        develop: Develop = develop_nothing,
        discard: Discard = discard_nothing,
        observe: Callable[[Claim], AbstractContextManager[object]] = nullcontext,
        announce: Callable[[], Announcement] | None = None,
        capacity: int = 1,
        lease_s: float = 4.0,
        grace_s: float = 30.0,
        **options: Any,
    ) -> None:
        options["serializer"] = JSONSerializer  # whatever rq asks for: its default would unpickle
        name = name or f"{WORKER_PREFIX}{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        super().__init__(list(map(names.queue_name, models)), name, connection=connection, **options)
        self.capacity = capacity
        self.claims: dict[str, Claim] = {}
        self._abandoned: list[Claim] = []  # whatever Redis still says, they are not taken up again
        self.pacer = Pacer()
        self._develop = develop
        self._discard = discard
        self._observe = observe
        self._announce = announce
        self._grace_s = grace_s
        self._ledger = Ledger(connection, self.name, self.queues, lease_s)
        self._upkeep = Upkeep(connection, self.queues, self._ledger, lease_s)
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()  # an Event can deadlock in a signal handler
        self._heart = Heart(self._beat, pause_s=lambda: BUSY_BEAT_S if self.claims else IDLE_BEAT_S)
        self._slots = Slots(max(1, capacity))  # also without room it fails what is not to run again
        self._stop_asked_at: float | None = None
        self._stops_at_once = False
        self._has_left = False

    def work(self, *_args: Any, **_options: Any) -> bool:
        """Works until the first SIGTERM or SIGINT, then finishes what the grace period allows and gives back the rest.

        A second signal gives everything back at once.
        """
        if not self.name.startswith(WORKER_PREFIX):
            raise ValueError(
                f"A worker's name begins with {WORKER_PREFIX!r}, so that its jobs are reaped: {self.name!r}."
            )
        self._install_signal_handlers()
        if not patiently(self._enter, give_up=lambda: self._is_stopping):
            return False
        self._heart.start()
        self._slots.open()
        try:
            self._claim_until_stopped()
        finally:
            self._drain()
            self._has_left = True
            self._slots.close()
            self._heart.stop()
            self._leave()
        return True

    def request_stop(self, signum: int | None = None, frame: Any = None) -> None:  # noqa: ARG002 - a signal handler
        now = time.monotonic()
        if self._stop_asked_at is None:
            self._stop_asked_at = now
        elif now - self._stop_asked_at > SAME_WISH_S:
            self._stops_at_once = True
        self._wake()

    def handle_payload(self, message: dict[str, Any]) -> None:
        """Obeys rq's commands; there is no horse to kill."""
        try:
            payload = parse_payload(message)
        except ValueError:
            logger.warning("A command cannot be read.")  # an error would end the thread that listens
            return
        match payload:
            case {"command": "shutdown"}:
                self.request_stop()
            case {"command": "stop-job", "job_id": job_id}:
                self._stop(lambda claim: claim.job_id == job_id)
            case {"command": "stop-execution", "execution_id": execution_id}:
                self._stop(lambda claim: claim.execution_id == execution_id)

    def subscribe(self) -> None:
        super().subscribe()
        if self.pubsub:
            self.pubsub.subscribe(**{names.WAKE_CHANNEL: self._hear})

    def _pubsub_exception_handler(self, exc: Exception, *_thread: Any) -> None:
        if not isinstance(exc, RedisError):
            raise exc
        time.sleep(LISTEN_AGAIN_S)  # rq would end its thread at a mere timeout, and nobody would listen any more

    def unsubscribe(self) -> None:
        if self.pubsub and self.pubsub_thread:
            self.pubsub_thread.stop()  # first: rq's order can miss the last message and wait for a minute
            self.pubsub.unsubscribe()
            self.pubsub_thread.join(timeout=1)

    @property
    def is_at_work(self) -> bool:
        """Whether it has a place in the fleet and takes jobs."""
        return self._heart.is_alive() and not self._is_stopping

    @property
    def _is_stopping(self) -> bool:
        return self._stop_asked_at is not None

    def _enter(self) -> None:
        self._upkeep.begin()
        super()._set_ip_address(self.connection)
        if not self.connection.exists(names.lease_key(self.name)):
            self.connection.delete(self.key)
        self.register_birth()
        self.subscribe()
        logger.info("%s works on %s.", self.name, ", ".join(self.queue_names()))

    def _claim_until_stopped(self) -> None:
        patience = Patience()
        while not self._is_stopping:
            try:
                self._tend()
                self._claim()
            except RedisError as error:
                self._upkeep.wait_for_the_others()
                self._wait(patience.next_wait_s(error))
            else:
                patience.reset()
                self._wait(POLL_S)

    def _claim(self) -> None:
        in_flight = list(self.claims.values())
        free = self.capacity - len(in_flight)
        if free > 0 and not any(claim.runs_alone for claim in in_flight):
            for claim in self._ledger.claim(free, len(in_flight)):
                self._start(claim)

    def _tend(self) -> None:
        if self._upkeep.tend():
            for claim in self._ledger.take_strays([*self._abandoned, *list(self.claims.values())]):
                self._start(claim)

    def _start(self, claim: Claim) -> None:
        self.claims[claim.execution_id] = claim
        self._slots.run(partial(self._run, claim))
        self._heart.beat_now()

    def _run(self, claim: Claim) -> None:
        try:
            with self._observe(claim):
                self._see_through(claim)
        finally:
            del self.claims[claim.execution_id]
            self._wake()

    def _see_through(self, claim: Claim) -> None:
        try:
            with self.pacer.timing(claim):
                end = self._end(claim)
            self._write(claim, end)
        except ResponseError as refusal:
            logger.error("The job %s fails, since Redis refuses its end: %s", claim.job_id, refusal)
            self._abandoned.append(claim)
            self._write(claim, self._ledger.prepare(partial(endings.abandonment, self, claim)))

    def _end(self, claim: Claim) -> Commands:
        try:
            return attempt(self, self._ledger, claim, self._develop)
        except WorkerBroken as broken:
            if not self._is_stopping and not claim.is_lost:
                self._die(broken)
            return self._ledger.prepare(partial(endings.give_back, self, claim))

    def _stop(self, is_meant: Callable[[Claim], bool]) -> None:
        for claim in filter(is_meant, list(self.claims.values())):
            claim.stop()

    def _die(self, broken: WorkerBroken) -> NoReturn:
        """Ends the process without a word to Redis, so that its jobs are reaped and the death counts against them."""
        logger.error("%s is broken and ends: %s", self.name, broken)
        os._exit(1)  # whatever is stuck, it would wait for it

    def _write(self, claim: Claim, commands: Commands) -> None:
        conclude(self._ledger, claim, commands, self._discard, has_left=lambda: self._has_left)

    def _drain(self) -> None:
        until = (self._stop_asked_at or 0) + self._grace_s
        while self.claims and time.monotonic() < until and not self._stops_at_once:
            self._wait(POLL_S)
        for claim in reversed(list(self.claims.values())):  # the newest first, so the order stays
            with suppress(RedisError):  # without a word our lease ends, and the job is reaped
                self._ledger.commit(claim, self._ledger.prepare(partial(endings.give_back, self, claim)))
            claim.lose()
        until = time.monotonic() + ABORT_S
        while self.claims and time.monotonic() < until:
            self._wait(POLL_S)

    def _leave(self) -> None:
        try:
            self.register_death()
            self._ledger.leave()
            self.unsubscribe()
        except RedisError as error:
            logger.warning("%s left without a word: %s", self.name, error)

    def _beat(self) -> None:
        claims = list(self.claims.values())
        state = WorkerStatus.BUSY if claims else WorkerStatus.IDLE
        is_known, lost = self._ledger.beat(claims, self._announcement(), state)
        if not is_known:
            self.register_birth()
        for claim in lost:
            claim.lose()

    def _announcement(self) -> str:
        try:
            return self._announce().model_dump_json() if self._announce else ""
        except WorkerBroken as broken:
            if not self._is_stopping:  # or else its jobs go back when the grace period is over
                self._die(broken)
            return ""

    def _hear(self, message: dict[str, Any]) -> None:
        if message["data"].decode(errors="replace") in {claim.job_id for claim in list(self.claims.values())}:
            self._heart.beat_now()  # it is canceled, and the beat will say so
        self._wake()

    def _wake(self) -> None:
        self._wakes.put(None)

    def _wait(self, timeout_s: float) -> None:
        with suppress(queue.Empty):
            self._wakes.get(timeout=timeout_s)
            while True:
                self._wakes.get_nowait()

    def _install_signal_handlers(self) -> None:
        if threading.current_thread() is threading.main_thread():
            super()._install_signal_handlers()

    def _set_connection(self, connection: Redis) -> Redis:
        return connection  # rq would let every call wait for seven minutes

    def _set_ip_address(self, connection: Redis) -> None:  # noqa: ARG002 - rq asks Redis here, which may be away
        self.ip_address = "unknown"
