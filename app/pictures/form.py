"""A request in a form: its JSON is the part `request`, and its pictures are files beside it."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.contract.errors import InvalidField, RequestRejected
from app.pictures.upload import Files, Upload

FORM_TYPE = re.compile(r"multipart/form-data\s*(?:;.*)?", re.IGNORECASE)
BODY = "request"
IMAGE, MASK, CONTROL_IMAGE = ("image", "image[]"), ("mask",), ("control.image",)  # as clients call a repeated part
MAX_FILES, MAX_FIELDS = 32, 8
MAX_BODY_BYTES = 1 << 20

JSON = {"$ref": "#/components/schemas/GenerationRequest"}
WITHOUT_PICTURES = {"properties": {key: {"type": "null"} for key in ("image", "mask", "control", "strength")}}

#: What a form is, for OpenAPI, which cannot say that a mask goes with an image; the JSON is described beside it.
FORM_BODY = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "The JSON body, and its pictures as files instead of base64: one or more parts "
                    "`image`; `mask`, if there is an image; `control.image`, if the JSON has a `control` without one.",
                    "required": [BODY],
                    "additionalProperties": False,
                    "properties": {
                        BODY: {"allOf": [JSON, WITHOUT_PICTURES]},
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                },
                "encoding": {BODY: {"contentType": "application/json"}},
            }
        }
    }
}


class FormRoute(APIRoute):
    """A route whose JSON body may also come in a form; its handler takes the pictures beside it as `TheFiles`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def unfold(request: Request) -> Response:
            if FORM_TYPE.fullmatch(request.headers.get("content-type", "")):
                request = await _unfolded(request)
            return await handle(request)

        return unfold


async def _files(request: Request) -> Files:
    files: Files = request.scope.get("files") or Files()
    return files


TheFiles = Annotated[Files, Depends(_files)]


async def _unfolded(request: Request) -> Request:
    """The request as if its JSON had come alone."""
    form = await _read(request)
    try:
        body, files = await _body(form), await _files_of(form)
    finally:
        await form.close()
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    scope = {**request.scope, "headers": [*headers, (b"content-type", b"application/json")], "files": files}
    return Request(scope, _receives(body, request.receive))


async def _read(request: Request) -> FormData:
    try:
        return await request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_BODY_BYTES)
    except ClientDisconnect:
        raise RequestRejected("The form was never sent whole.") from None
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise RequestRejected(f"The form cannot be read: {error.detail}") from None


async def _body(form: FormData) -> bytes:
    parts = form.getlist(BODY)
    if len(parts) != 1:
        raise InvalidField(BODY, f"The form has {len(parts)} parts named `{BODY}`; it holds the JSON body in one.")
    part = parts[0]
    return await part.read() if isinstance(part, UploadFile) else part.encode()


async def _files_of(form: FormData) -> Files:
    """Raises InvalidField for whatever is none of our files, so that no picture is left out in silence."""
    found: dict[tuple[str, ...], list[Upload]] = {IMAGE: [], MASK: [], CONTROL_IMAGE: []}
    for name, part in form.multi_items():
        if name == BODY:
            continue
        field = next((names for names in found if name in names), None)
        if field is None or not isinstance(part, UploadFile):
            raise InvalidField("form", "A form has the part `request` and the files image, mask and control.image.")
        found[field].append(Upload(await part.read(), part.content_type))
        if field is not IMAGE and len(found[field]) > 1:
            raise InvalidField(name, "There is one file of this name.")
    image, masks, control_images = found.values()
    return Files(tuple(image), next(iter(masks), None), next(iter(control_images), None))


def _receives(body: bytes, after: Receive) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, None) or await after()  # which tells when the client has gone

    return receive
