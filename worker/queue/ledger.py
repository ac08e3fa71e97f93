import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.defaults import DEFAULT_WORKER_TTL, RQ_KEY_PREFIX
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.utils import now, utcformat

from app.contract import names
from app.contract.events import EventType, with_tell
from worker.queue import endings
from worker.queue.claim import DEATHS_ALONE, DEATHS_MAX, Claim

SCRIPTS = Path(__file__).with_name("scripts")
WORKER_PREFIX = "darkroom-"  # only workers of such a name keep a lease, so only they are reaped
FAR_FUTURE_S = 10 * 365 * 86_400
CANCELED_AT_ONCE = 1_000
REMEMBERED_S = DEFAULT_WORKER_TTL + 60  # as rq

Commands = list[bytes | int]  # for FENCE: each command as the number of its words and its words


class Ledger:
    """All that a worker does to jobs in Redis; each call is one script, and so happens as a whole or not at all."""

    def __init__(self, connection: Redis, worker: str, queues: Sequence[Queue], lease_s: float) -> None:
        self._connection = connection
        self._worker = worker
        self._queues = deque(queues)
        self._lease_ms = int(lease_s * 1_000)
        self._lease = names.lease_key(worker)
        self._announcement = names.announcement_key(worker)
        self._hash = f"{RQ_KEY_PREFIX}:worker:{worker}"
        self._executions = WORKER_EXECUTIONS_KEY_TEMPLATE.format(worker)
        self._encode = connection.get_encoder().encode
        self._claim, self._beat, self._fence, self._reap = (
            connection.register_script(with_tell(SCRIPTS / f"{name}.lua"))
            for name in ("claim", "beat", "fence", "reap")
        )

    def claim(self, free: int, in_flight: int) -> list[Claim]:
        """Takes up to `free` jobs; another queue comes first each time."""
        self._queues.rotate(-1)
        seconds = time.time()
        answers = self._claim(
            [self._lease, self._executions, *self._queue_keys()],
            [
                *(RQ_KEY_PREFIX, self._worker, self._lease_ms, utcformat(now()), seconds, seconds + FAR_FUTURE_S),
                *(in_flight, DEATHS_ALONE, DEATHS_MAX, names.TURNS_PREFIX, names.LINE_PREFIX),
                *(uuid.uuid4().hex for _ in range(free)),
            ],
        )
        return [self._read(entry.decode(), _pairs(fields)) for entry, fields in answers]

    def take_strays(self, known: Iterable[Claim]) -> list[Claim]:
        """Finds what is this worker's unknown to it: claimed in an answer that it never got, or reaped to be failed."""
        entries = {claim.entry for claim in known}
        members = cast(set[bytes], self._connection.smembers(self._executions))
        strays = []
        for entry in {member.decode() for member in members} - entries:
            fields = cast(dict[bytes, bytes], self._connection.hgetall(Job.key_for(entry.partition(":")[0])))
            if fields:
                strays.append(self._read(entry, fields))
        return strays

    def beat(self, claims: Sequence[Claim], announcement: str, state: str) -> tuple[bool, list[Claim]]:
        """Renews the lease; answers whether rq knows this worker, and which jobs it has lost."""
        known, lost = self._beat(
            [self._lease, self._announcement, self._hash, self._executions],
            [
                *(RQ_KEY_PREFIX, self._lease_ms, announcement, state, utcformat(now()), time.time(), REMEMBERED_S),
                *(word for claim in claims for word in (claim.job.origin, claim.entry, *claim.news())),
            ],
        )
        return bool(known), [claim for claim in claims if claim.entry.encode() in lost]

    def prepare(self, end: Callable[[Pipeline], None]) -> Commands:
        """Has an end written, into a pipeline that is never executed."""
        with self._connection.pipeline() as pipeline:
            end(pipeline)
            commands = [command for command, _ in pipeline.command_stack]
        return [word for command in commands for word in (len(command), *map(self._encode, command))]

    def commit(self, claim: Claim, commands: Commands) -> bool:
        """Writes a job's end, or does nothing and returns False if the job is not this worker's any more."""
        return bool(self._fence([claim.job.started_job_registry.key], [claim.entry, *commands]))

    def has_published(self, claim: Claim) -> bool:
        """Whether the job's result is this claim's."""
        newest = claim.job.latest_result()
        return newest is not None and newest.execution_id == claim.execution_id

    def is_erased(self, claim: Claim) -> bool:
        return bool(self._connection.exists(names.erased_key(claim.job_id)))

    def reap(self, *, renews: bool = True) -> list[str]:
        """Gives the jobs of dead workers back to their queues; returns the jobs' ids.

        One that too many workers have died of becomes a stray of this worker.

        It first renews this worker's own lease, or does not, and then a predecessor of its name may be among the dead.
        """
        prefixes = (RQ_KEY_PREFIX, WORKER_PREFIX, names.lease_key(""))
        reaped = self._reap(
            [self._lease, self._executions, *self._queue_keys()],
            [
                *(*prefixes, names.WAKE_CHANNEL, utcformat(now()), self._worker, DEATHS_MAX),
                self._lease_ms if renews else 0,
            ],
        )
        return [job_id.decode() for job_id in reaped]

    def forget_canceled(self) -> None:
        """Drops the oldest canceled jobs whose records have expired: rq trims every registry but this one."""
        for queue in self._queues:
            registry = queue.canceled_job_registry
            oldest = cast(list[bytes], self._connection.zrange(registry.key, 0, CANCELED_AT_ONCE - 1))
            with self._connection.pipeline(transaction=False) as pipeline:
                for job_id in oldest:
                    pipeline.exists(Job.key_for(job_id.decode()))
                gone = [job_id for job_id, is_kept in zip(oldest, pipeline.execute(), strict=True) if not is_kept]
            if gone:
                self._connection.zrem(registry.key, *gone)

    def leave(self) -> None:
        """Ends the lease: what is still claimed is anybody's."""
        self._connection.delete(self._lease, self._announcement)

    def _queue_keys(self) -> list[str]:
        return [key for queue in self._queues for key in (queue.key, StartedJobRegistry(queue=queue).key)]

    def _read(self, entry: str, fields: dict[bytes, bytes]) -> Claim:
        return Claim(self._worker, entry, fields, self._connection, self._tell)

    def _tell(self, claim: Claim, event: EventType, data: str) -> bool:
        return self.commit(claim, self.prepare(partial(endings.tell, claim.job, event, data)))


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
