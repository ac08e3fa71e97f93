from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from obstore.exceptions import BaseError

from app.conditional import has_already
from app.contract.errors import ImageNotFound, StorageUnavailable
from app.dependencies import ImageIndex, JobId, TheStorage, TheStore, TheTenant
from app.problems import RESPONSES

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)


@router.get(
    "/{job_id}/images/{index}",
    response_class=Response,
    responses={
        200: {"content": {"image/*": {}}},
        304: {"description": "As it was"},
        307: {"description": "Where the storage itself gives the picture, for a minute"},
    },
)
async def read_image(
    job_id: JobId, index: ImageIndex, request: Request, store: TheStore, storage: TheStorage, tenant: TheTenant
) -> Response:
    """The bytes of one picture. Where keys are in force, the job gives an address of it that needs none for a while."""
    record = await store.find(job_id, tenant=tenant)
    images = record.development.images if record.development else []
    if int(index) >= len(images):
        raise ImageNotFound(f"Job {job_id} is {record.status} and has {len(images)} images; there is no image {index}.")
    image = images[int(index)]
    headers = {
        "ETag": f'"{image.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Content-Disposition": f'inline; filename="{job_id}-{index}.{image.content_type.removeprefix("image/")}"',
    }
    if has_already(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        if address := await storage.address(image.key):
            return RedirectResponse(address, 307, {"Cache-Control": "private, no-store"})
        content = await storage.get(image.key)
    except FileNotFoundError:
        raise ImageNotFound(f"Image {index} of job {job_id} is no longer kept.") from None
    except BaseError as error:
        raise StorageUnavailable("The storage does not give the picture now.") from error
    return Response(content, headers=headers, media_type=image.content_type)
