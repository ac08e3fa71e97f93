"""OpenAI's own SDK, as it is, against the API; its pictures are made by the test."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from redis import Redis
from rq.job import Job

from app.contract.errors import OutOfMemory
from app.contract.keys import Scope
from tests.app.key_holders import make_key
from tests.app.openai.losing_proxy import Loss, losing_proxy
from tests.app.painter import Painter
from tests.picture_files import encoded, scene

PICTURE = b"\x89PNG and so on"
HttpWith = Callable[..., httpx.Client]


Connect = Callable[..., openai.OpenAI]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes a client of a service, or of the address of one."""
    with ExitStack() as stack:

        def connect(http: httpx.Client | str, **options: Any) -> openai.OpenAI:
            url = str(http.base_url) if isinstance(http, httpx.Client) else http
            given = {"api_key": "none", "max_retries": 0, **options}
            return stack.enter_context(openai.OpenAI(base_url=f"{url.rstrip('/')}/v1", **given))

        yield connect


@pytest.fixture
def painter(redis: Redis, images: Path) -> Painter:
    return Painter(redis, images)


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def number_of_jobs(redis: Redis) -> int:
    return len(list(redis.scan_iter(f"{Job.redis_job_namespace_prefix}*")))


def test_models_are_listed_and_read(connect: Connect, http: httpx.Client) -> None:
    models = connect(http).models

    assert [model.id for model in models.list()] == ["mini"]
    assert models.retrieve("mini").owned_by == "darkroom"
    with pytest.raises(openai.NotFoundError):
        models.retrieve("dall-e-3")


@pytest.mark.parametrize(
    ("asked", "error", "param"),
    [
        ({"size": "7x7"}, openai.BadRequestError, "size"),
        ({"extra_body": {"steps": 4}}, openai.BadRequestError, "steps"),
        ({"model": "gpt-image-2"}, openai.NotFoundError, "model"),
    ],
)
def test_a_mistake_is_the_class_and_names_the_parameter(
    connect: Connect, http: httpx.Client, asked: dict[str, Any], error: type[openai.APIStatusError], param: str
) -> None:
    with pytest.raises(error) as raised:
        connect(http).images.generate(prompt="a cat", **asked)

    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"
    assert raised.value.request_id


def test_who_has_no_key_and_who_may_not_submit_get_their_own_classes(
    connect: Connect, http_with: HttpWith, redis_url: str
) -> None:
    http = http_with(auth="keys")
    _, header = make_key(redis_url, scopes=[Scope.READ])
    reader = header["authorization"].removeprefix("Bearer ")

    for key, error in (("none", openai.AuthenticationError), (reader, openai.PermissionDeniedError)):
        with pytest.raises(error):
            connect(http, api_key=key).images.generate(prompt="a cat")


def test_a_full_share_and_a_full_queue_are_told_apart(connect: Connect, http_with: HttpWith) -> None:
    share, queue = http_with(max_queued_per_tenant=1), http_with(max_queued=1)
    share.post("/v1/jobs", json={"prompt": "a cat"})

    with pytest.raises(openai.RateLimitError) as limited:
        connect(share).images.generate(prompt="a cat")
    with pytest.raises(openai.InternalServerError) as full:
        connect(queue).images.generate(prompt="a cat")

    assert (limited.value.code, full.value.code) == ("quota_exceeded", "queue_full")


def test_a_job_that_fails_is_an_error_and_no_second_job(
    connect: Connect, http: httpx.Client, asking: ThreadPoolExecutor, painter: Painter, redis: Redis
) -> None:
    asked = asking.submit(connect(http, max_retries=2).images.generate, prompt="a cat")
    painter.fail(painter.take(), OutOfMemory("It does not fit."))

    with pytest.raises(openai.InternalServerError) as raised:
        asked.result()

    assert raised.value.code == "out_of_memory"
    assert number_of_jobs(redis) == 1


def test_an_error_in_a_stream_is_raised(
    connect: Connect, http: httpx.Client, asking: ThreadPoolExecutor, painter: Painter
) -> None:
    asked = asking.submit(list[Any], connect(http).images.generate(prompt="a cat", stream=True))
    painter.fail(painter.take(), OutOfMemory("It does not fit."))

    with pytest.raises(openai.APIError, match="It does not fit"):
        asked.result()


@pytest.mark.parametrize(
    ("way", "loss"), [("generate", "cut"), ("generate", "503"), ("generate", "timeout"), ("edit", "503")]
)
def test_the_sdks_own_retry_gets_the_job_of_its_first_try(
    connect: Connect, service: str, redis: Redis, asking: ThreadPoolExecutor, painter: Painter, way: str, loss: Loss
) -> None:
    with losing_proxy(service, loss) as proxy:
        images = connect(proxy.url, max_retries=2).images
        more = {"image": ("a.png", encoded(scene()))} if way == "edit" else {}
        asked = asking.submit(getattr(images, way), prompt="a cat", **more)
        claim = painter.take()
        if loss == "timeout":
            assert proxy.has_lost.wait(10)
        painter.paint(claim, PICTURE)

        answer = asked.result()

    assert base64.b64decode(answer.data[0].b64_json) == PICTURE
    assert answer.job_id == claim.job_id
    assert number_of_jobs(redis) == 1
