from collections.abc import Callable
from pathlib import Path

import httpx
from redis import Redis

from tests.app.announced import announce

TINY = Path(__file__).parents[2] / "worker" / "tiny_models.toml"


def test_models_come_in_the_shape_of_the_openai_list(http: httpx.Client) -> None:
    listed = http.get("/v1/models").json()

    [mini] = listed["data"]
    assert listed["object"] == "list"
    assert (mini["id"], mini["object"], mini["owned_by"]) == ("mini", "model", "darkroom")
    assert isinstance(mini["created"], int)
    assert mini["darkroom"]["is_default"]
    assert mini["darkroom"]["defaults"]["scheduler"] in mini["darkroom"]["schedulers"]
    assert mini["darkroom"]["limits"]["max_num_images"] == 4
    assert mini["darkroom"]["tasks"] == ["text-to-image", "image-to-image", "inpainting"]


def test_a_model_is_warm_as_long_as_a_worker_announces_it(http: httpx.Client, redis: Redis) -> None:
    before = http.get("/v1/models/mini").json()["darkroom"]
    moved = {"model": "mini", "module": "vae.encode", "reason": "a distribution has no rows"}
    announce(redis, "one", never_stacked=[moved])
    warm = http.get("/v1/models/mini").json()["darkroom"]
    redis.flushall()
    after = http.get("/v1/models/mini").json()["darkroom"]

    assert [before["state"], warm["state"], after["state"]] == ["cold", "warm", "cold"]
    assert [before["batched"], warm["batched"], after["batched"]] == [{}, {"unet": True}, {}]
    assert warm["never_stacked"] == {"vae.encode": "a distribution has no rows"}


def test_a_module_that_is_never_stacked_is_not_batched(http: httpx.Client, redis: Redis) -> None:
    announce(redis, "one", never_stacked=[{"model": "mini", "module": "unet", "reason": "its rows are no rows"}])

    mini = http.get("/v1/models/mini").json()["darkroom"]

    assert mini["batched"] == {"unet": False}
    assert mini["never_stacked"] == {"unet": "its rows are no rows"}


def test_adapters_are_told_with_what_they_do_and_not_where_they_are_from(
    http_with: Callable[..., httpx.Client],
) -> None:
    answer = http_with(catalogue=TINY).get("/v1/models/tiny")

    tiny = answer.json()["darkroom"]
    assert tiny["loras"] == {"ink": "drawn in ink", "wash": "", "broken": ""}
    assert tiny["controlnets"] == {"edges": {"description": "follows edges", "tasks": tiny["tasks"]}}
    assert "safetensors" not in answer.text
