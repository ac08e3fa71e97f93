"""How a job is shown to its tenant."""

import hashlib
from dataclasses import dataclass

from fastapi import Request, Response

from app.conditional import has_already
from app.contract.job import Job, JobRecord, QueuePlace
from app.contract.links import Links
from app.contract.stored_job import StoredJob
from app.contract.version import installed_version
from app.forecast import Forecasts

POLL_AGAIN_S = 1
VERSION = installed_version()  # another one may show a job otherwise


@dataclass(frozen=True)
class Answers:
    """Puts beside a job's record what is not in it: where it stands in its queue, and signed addresses."""

    links: Links
    forecasts: Forecasts

    async def job(self, record: JobRecord) -> Job:
        """Raises RedisUnavailable."""
        if record.ahead is None:
            return Job.of(record, self.links)
        forecast = await self.forecasts.of(record.model)
        eta_s = forecast.eta_s(record.ahead, record.generation.num_inference_steps)
        return Job.of(record, self.links, QueuePlace(position=record.ahead + 1, eta_s=eta_s))

    async def response(self, shown: JobRecord | StoredJob, status: int = 200) -> Response:
        """Raises JobNotFound and RedisUnavailable."""
        job = await self.job(shown if isinstance(shown, JobRecord) else shown.record())
        return Response(job.model_dump_json(), status, await self._headers(shown), media_type="application/json")

    async def unchanged(self, request: Request, shown: JobRecord | StoredJob) -> Response | None:
        """A 304 if who asks has this very answer already; nothing of a stored job is parsed for it.

        Raises RedisUnavailable.
        """
        headers = await self._headers(shown)
        return Response(status_code=304, headers=headers) if has_already(request, headers["ETag"]) else None

    async def _headers(self, shown: JobRecord | StoredJob) -> dict[str, str]:
        forecast = await self.forecasts.of(shown.model) if shown.ahead is not None else None
        shows = (VERSION, shown.version, self.links.period_for(shown.tenant), forecast)
        headers = {
            "ETag": f'"{hashlib.sha256(repr(shows).encode()).hexdigest()[:32]}"',
            "Cache-Control": "private, no-cache",
        }
        if not shown.status.is_terminal:
            headers["Retry-After"] = str(POLL_AGAIN_S)
        return headers
