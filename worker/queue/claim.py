import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from redis import Redis
from rq.exceptions import DeserializationError
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from app.contract.errors import GenerationFailed
from app.contract.events import EventType
from app.contract.generation import Generation
from app.contract.job import Progress
from worker.queue.functions import FUNCTIONS, Function
from worker.stages import Stages

Argument = TypeVar("Argument", bound=BaseModel)

DEATHS_ALONE = 2  # a job that was there when so many workers died runs without company
DEATHS_MAX = 3  # and is not run again after so many
# Of the record: where and for whom the job was made, and who is told of its end.
ADDRESS = (b"origin", b"darkroom_tenant", b"darkroom_webhook")

Tell = Callable[["Claim", EventType, str], bool]


class Claim:
    """One job in this worker's hands, until it is committed or lost."""

    def __init__(self, worker: str, entry: str, fields: dict[bytes, bytes], connection: Redis, tell: Tell) -> None:
        job_id, _, execution_id = entry.partition(":")
        self.entry = entry
        self.job = Job(job_id, connection=connection, serializer=JSONSerializer)
        self.is_readable = True
        self.address = {name: fields[name] for name in ADDRESS if name in fields}
        self.trace = fields.get(b"darkroom_trace", b"").decode(errors="replace") or None  # as W3C writes it
        self.attempt = self.deaths = 0
        self._restore(fields)
        self.stages = Stages(self.job.enqueued_at)
        self.execution = Execution(execution_id, job_id, connection, worker_name=worker)
        self.execution.created_at = self.job.started_at or datetime.now(UTC)
        self._lock = threading.Lock()
        self.is_lost = self.is_erased = self.is_stopped = self._is_over = False
        self.result, self.error_code = "withdrawn", ""  # how it ended here
        self._abort: Callable[[], object] | None = None
        self._tell = tell
        self._has_news = False
        self.reported_at = 0.0

    @property
    def job_id(self) -> str:
        return self.job.id

    @property
    def execution_id(self) -> str:
        return self.execution.id

    @property
    def runs_alone(self) -> bool:
        return self.deaths >= DEATHS_ALONE

    @property
    def timeout_s(self) -> float | None:
        return self.job.timeout

    @property
    def generation(self) -> Generation:
        """What to make.

        Raises GenerationFailed.
        """
        return self.read(Generation)

    def read(self, kind: type[Argument]) -> Argument:
        """The job's one argument, if it is of this kind.

        Raises GenerationFailed.
        """
        argument = self.argument
        if not isinstance(argument, kind):
            raise GenerationFailed("The job names a function that this worker does not run.")
        return argument

    @property
    def argument(self) -> BaseModel:
        """The job's one argument, of the kind that its function takes.

        Raises GenerationFailed.
        """
        try:
            return self.function.argument.model_validate(self.job.args[0])
        except (ValidationError, LookupError, TypeError):
            raise GenerationFailed("The job's argument is not what its function takes.") from None

    @property
    def function(self) -> Function:
        """Raises GenerationFailed."""
        if not self.is_readable:
            raise GenerationFailed("The job's record cannot be read.")
        try:
            return FUNCTIONS[str(self.job.func_name)]
        except DeserializationError:
            raise GenerationFailed("The job is not written in JSON.") from None
        except (LookupError, TypeError):
            raise GenerationFailed("The job names a function that no worker runs.") from None

    def report(self, step: int, total_steps: int) -> None:
        """Remembers how far the job is; the next beat writes it."""
        self.job.meta = {**self.job.meta, "progress": Progress(step=step, total_steps=total_steps).model_dump()}
        self.reported_at = time.monotonic()
        self._has_news = True

    def tell(self, event: EventType, **data: int) -> bool:
        """Tells an event at once; or tells nothing and returns False if the job is not this worker's any more.

        Raises RedisError.
        """
        return self._tell(self, event, json.dumps(data))

    def when_lost(self, abort: Callable[[], object]) -> None:
        """Has `abort` called once, from any thread, when the job is stopped, canceled, deleted or taken away."""
        with self._lock:
            self._abort = abort
            over = self._is_over
        if over:
            abort()

    def lose(self) -> None:
        """Drops a job that is not this worker's any more."""
        self.is_lost = True
        self._end()

    def stop(self) -> None:
        """Ends a job that is this worker's still, and so has to be committed."""
        self.is_stopped = True
        self._end()

    def _end(self) -> None:
        with self._lock:
            first, self._is_over = not self._is_over, True
            abort = self._abort
        if first and abort:
            abort()

    def news(self) -> tuple[bytes, bytes]:
        """The job's meta and its progress if they have changed since the last call, or nothing and nothing."""
        if not self._has_news:
            return b"", b""
        self._has_news = False
        return self.meta(), self.job.serializer.dumps(self.job.meta["progress"])

    def meta(self) -> bytes:
        meta: Any = self.job.serializer.dumps(self.job.meta)
        return bytes(meta)

    def _restore(self, fields: dict[bytes, bytes]) -> None:
        """Reads the record; of one that cannot be read, what its failure needs."""
        try:
            self.job.restore(fields)
            self.attempt = int(fields.get(b"darkroom_attempt", 0))
            self.deaths = int(fields.get(b"darkroom_deaths", 0))
        except Exception:  # rq raises whatever it comes across; the job's neighbours must not suffer from it
            self.is_readable = False
            self.job = Job(self.job.id, connection=self.job.connection, serializer=JSONSerializer)
            self.job.restore({b"data": fields.get(b"data", b"")})
            self.job.origin = fields.get(b"origin", b"").decode(errors="replace")
        self.job.meta = {}  # an earlier run's
