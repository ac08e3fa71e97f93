from typing import Annotated

from fastapi import APIRouter, Path, Response
from obstore.exceptions import BaseError

from app.contract import names
from app.contract.errors import ImageNotFound, StorageUnavailable
from app.dependencies import JobId, TheStorage, TheStore, TheTenant
from app.problems import RESPONSES

PreviewStep = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,5}$")]
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)


@router.get("/{job_id}/previews/{step}", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
async def read_preview(
    job_id: JobId, step: PreviewStep, store: TheStore, storage: TheStorage, tenant: TheTenant
) -> Response:
    """What the job's pictures were like after a step, side by side and small; its events tell which steps there are."""
    found = await store.look_up(job_id, tenant=tenant)
    try:
        content = await storage.get(names.preview_key(found.record_id, int(step)))
    except FileNotFoundError:
        raise ImageNotFound(f"Job {job_id} has no preview of step {step}.") from None
    except BaseError as error:
        raise StorageUnavailable("The storage does not give the preview now.") from error
    return Response(content, headers=HEADERS, media_type="image/webp")
