"""How OpenAI's clients are told that there is no picture."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.contract.errors import InvalidField, InvalidImage, ModelNotFound
from app.contract.job import Development, JobRecord
from app.problems import FieldProblem, problem

FIELDS = {"width": "size", "height": "size", "num_images": "n"}  # as OpenAI names them
CODES = {
    "extra_forbidden": "unknown_parameter",
    "missing": "missing_required_parameter",
    ModelNotFound.code: ModelNotFound.code,
}
CLIENT_CLOSED_REQUEST = 499  # nginx's word for an answer that nobody reads


class Unfulfilled(Exception):
    """Raised when a job was waited for and there are no pictures; the SDK asks again only if it is told to."""

    def __init__(self, status: int, code: str, message: str, *, should_retry: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {"x-should-retry": str(should_retry).lower()}


class ClientGone(Exception):
    """Raised when the client has closed the connection."""


def development_of(record: JobRecord) -> Development:
    """The pictures of a job that has ended.

    Raises Unfulfilled.
    """
    if record.development:
        return record.development
    if error := record.error:
        raise Unfulfilled(400 if error.code == InvalidImage.code else 500, error.code, error.message)
    if record.status.is_terminal:
        raise Unfulfilled(409, f"job_{record.status}", f"The job {record.id} was {record.status} before it was done.")
    raise Unfulfilled(504, "timeout", f"The job {record.id} is {record.status} yet; ask again.", should_retry=True)


class OpenAIRoute(APIRoute):
    """Says what is wrong in OpenAI's words: a 400 that names OpenAI's field, a 404 for a model that is not there."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_as_openai(request: Request) -> Response:
            try:
                return await answer(request)
            except InvalidField as error:
                field = error.field or ""
                return _refusal(request, error.code, FIELDS.get(field, field), str(error))
            except RequestValidationError as error:
                return _invalid(request, error)
            except Unfulfilled as error:
                return problem(request, error.status, error.code, str(error), headers=error.headers)
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                return problem(request, 400, "invalid_body", f"The body cannot be read: {error.detail}.")
            except ClientGone:
                return Response(status_code=CLIENT_CLOSED_REQUEST)

        return answer_as_openai


def _invalid(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        raise error
    field = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "extra_forbidden":
        message = f"There is no parameter {field!r}."
    else:
        message = f"{field or 'The body'}: {first['msg']}."
    return _refusal(request, first["type"], field, message)


def _refusal(request: Request, kind: str, field: str, message: str) -> Response:
    code = CODES.get(kind, "invalid_value")
    named = FieldProblem(field=field, pointer="/" + field.replace(".", "/"), code=code, message=message)
    status = 404 if kind == ModelNotFound.code else 400
    return problem(request, status, code, message, errors=[named] if field else [])
