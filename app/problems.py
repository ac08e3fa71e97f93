"""One body for every error: RFC 9457's problem details, which also carry OpenAI's `error` member."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import BaseRoute, Match

from app.contract import storage
from app.contract.errors import InvalidField, KeyInvalid, Overloaded, RequestRejected, ShareFull, StorageUnavailable

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CODES = {
    HTTPStatus.BAD_REQUEST: "invalid_json",  # FastAPI raises it only for a body that cannot be parsed
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
}


class FieldProblem(BaseModel):
    """What is wrong with one field, named as a dotted path and as a JSON pointer."""

    field: str
    pointer: str
    code: str
    message: str


class OpenAIError(BaseModel):
    """The member that clients of the OpenAI API read."""

    message: str
    type: str
    param: str | None
    code: str


class Problem(BaseModel):
    """The body of every answer that is an error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="What happened, for programs; `title` and `detail` are for people.")
    request_id: str
    errors: list[FieldProblem]
    error: OpenAIError


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "An error",
        "model": Problem,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        code=code,
        request_id=request.scope["request_id"],
        errors=errors or [],
        error=OpenAIError(
            message=detail,
            type="server_error" if status >= 500 else "invalid_request_error",
            param=errors[0].field if errors else None,
            code=code,
        ),
    )
    return Response(body.model_dump_json(), status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    app.exception_handler(RequestRejected)(explain)
    app.exception_handler(Overloaded)(explain)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(StarletteHTTPException)(_http)


async def explain(request: Request, error: RequestRejected | Overloaded) -> Response:
    errors: list[FieldProblem] = []
    if isinstance(error, StorageUnavailable):
        logger.warning("%s %s", error, storage.reason(error.__cause__))
    if isinstance(error, InvalidField) and error.field:
        pointer = "/" + error.field.replace(".", "/")
        errors = [FieldProblem(field=error.field, pointer=pointer, code=error.code, message=str(error))]
    return problem(request, error.status, error.code, str(error), errors=errors, headers=_headers(error))


def _headers(error: RequestRejected | Overloaded) -> dict[str, str]:
    if isinstance(error, KeyInvalid):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, ShareFull) and error.limit:
        reached = f'"{error.limit}";r=0;t={error.retry_after_s}'
        return {"Retry-After": str(error.retry_after_s), "RateLimit": reached}
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, Overloaded) else {}


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(each["loc"][0] == "path" for each in found):
        return problem(request, 404, "not_found", f"There is nothing at {request.url.path}.")
    if found[0]["type"] == "json_invalid":
        detail = f"The body is not JSON: {found[0]['ctx']['error']} at character {found[0]['loc'][-1]}."
        return problem(request, 400, "invalid_json", detail)
    errors = [_field_problem(each) for each in found]
    detail = " ".join(f"{each.field or 'The body'}: {each.message}." for each in errors[:5])
    return problem(request, 422, InvalidField.code, detail, errors=errors)


def _field_problem(found: Mapping[str, Any]) -> FieldProblem:
    path = [str(part) for part in found["loc"][1:]]
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    return FieldProblem(field=".".join(path), pointer=pointer, code=found["type"], message=found["msg"])


async def _http(request: Request, error: StarletteHTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    detail, headers = error.detail, error.headers
    if status is HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path}."
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        detail, headers = f"{request.url.path} does not take {request.method}.", {"Allow": _allowed(request)}
    elif status is HTTPStatus.BAD_REQUEST:
        detail = "The body cannot be parsed as JSON."
    code = CODES.get(status, status.phrase.lower().replace(" ", "_"))
    return problem(request, status, code, detail, headers=headers)


def _allowed(request: Request) -> str:
    """The path's methods, of all its routes: Starlette names those of one."""
    routes: list[BaseRoute] = request.app.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return ", ".join(each for each, scope in scopes.items() if any(r.matches(scope)[0] is Match.FULL for r in routes))


class UnsupportedMediaType(HTTPException):
    """Raised when a body is not announced as JSON."""

    def __init__(self) -> None:
        super().__init__(415, "Send the body as JSON, with the header `Content-Type: application/json`.")


class BodyTooLarge(HTTPException):
    """Raised when a body is larger than the service takes."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(413, f"The body is larger than {max_bytes} bytes.")


class TooManyBodies(HTTPException):
    """Raised when the bodies that are held already leave no room for a large one."""

    def __init__(self) -> None:
        super().__init__(503, "Too many large bodies are under way.", headers={"Retry-After": "2"})
