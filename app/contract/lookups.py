import asyncio
from typing import Any

from redis.commands.core import AsyncScript
from rq.defaults import RQ_KEY_PREFIX
from rq.job import Job
from rq.results import Result

from app.contract import names
from app.contract.redis_errors import redis_errors

MOST = 50  # jobs in one script, which holds up all others in Redis for so long


class Lookups:
    """Reads together what is asked for while Redis is on its way: the way costs more than the reading."""

    def __init__(self, read: AsyncScript) -> None:
        self._read = read
        self._asked: list[tuple[str, asyncio.Future[Any]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def read(self, record_id: str) -> Any:
        """What READ answers for this job.

        Raises RedisUnavailable.
        """
        answer = asyncio.get_running_loop().create_future()
        self._asked.append((record_id, answer))
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:MOST], self._asked[MOST:]
            try:
                answers = await self._ask([record_id for record_id, _ in asked])
            except Exception as error:  # whatever it is, all who asked are to hear of it
                for _, waiting in asked:
                    if not waiting.done():  # who asked may have gone
                        waiting.set_exception(error)
                continue
            for (_, waiting), answer in zip(asked, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)

    async def _ask(self, record_ids: list[str]) -> list[Any]:
        keys = [key for record_id in record_ids for key in keys_of(record_id)]
        words = (RQ_KEY_PREFIX, names.TURNS_PREFIX, names.LINE_PREFIX, *record_ids)
        with redis_errors():
            answers: list[Any] = await self._read(keys, words)
        return answers


def keys_of(record_id: str) -> list[Any]:
    """A job's hash, its results and its mark of having been erased."""
    return [Job.key_for(record_id), Result.get_key(record_id), names.erased_key(record_id)]  # type: ignore[no-untyped-call]
