"""OpenAI's Images API: what it asks for becomes a job, and the answer waits for the job's end."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Response, UploadFile

from app.contract.errors import InvalidField
from app.dependencies import require_json
from app.openai.answer import ImagesAnswer
from app.openai.dependencies import TheDesk, TheVisit, require_form
from app.openai.failure import OpenAIRoute
from app.openai.request import EditRequest, ImageRequest
from app.pictures import Files, Upload
from app.problems import RESPONSES
from app.routes.events import EVENT

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The pictures; with `stream`, events: partial images, each picture, and last what went wrong.",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}

ENCODING = {
    "image": {"contentType": "image/png, image/jpeg, image/webp"},
    "mask": {"contentType": "image/png, image/webp"},
}
FORM_BODY = {"requestBody": {"content": {"multipart/form-data": {"encoding": ENCODING}}}}

router = APIRouter(prefix="/v1/images", tags=["openai"], responses=RESPONSES | STREAM, route_class=OpenAIRoute)


@router.post("/generations", response_model=ImagesAnswer, dependencies=[Depends(require_json)])
async def generate_images(asked: ImageRequest, desk: TheDesk, visit: TheVisit) -> Response:
    """Makes pictures and answers with them; with `stream`, tells how they develop as server-sent events."""
    return await desk.serve("image_generation", asked, visit)


@router.post("/edits", response_model=ImagesAnswer, dependencies=[Depends(require_form)], openapi_extra=FORM_BODY)
async def edit_images(
    asked: Annotated[EditRequest, Form(media_type="multipart/form-data")], desk: TheDesk, visit: TheVisit
) -> Response:
    """Draws a picture anew, all of it or what the mask leaves open; of several, a model takes as many as it can."""
    if not asked.pictures:
        raise InvalidField("image", "Send a picture to edit.")
    images = tuple([await _upload(each) for each in asked.pictures])
    files = Files(images, mask=await _upload(asked.mask) if asked.mask else None, mask_is_alpha=True)
    return await desk.serve("image_edit", asked, visit, files)


async def _upload(file: UploadFile) -> Upload:
    return Upload(await file.read(), file.content_type)
