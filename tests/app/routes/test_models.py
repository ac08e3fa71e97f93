import httpx
from redis import Redis

from tests.app.announced import announce


def test_models_come_in_the_shape_of_the_openai_list(http: httpx.Client) -> None:
    listed = http.get("/v1/models").json()

    [mini] = listed["data"]
    assert listed["object"] == "list"
    assert (mini["id"], mini["object"], mini["owned_by"]) == ("mini", "model", "darkroom")
    assert isinstance(mini["created"], int)
    assert mini["darkroom"]["is_default"]
    assert mini["darkroom"]["defaults"]["scheduler"] in mini["darkroom"]["schedulers"]
    assert mini["darkroom"]["limits"]["max_num_images"] == 4


def test_a_model_is_warm_as_long_as_a_worker_announces_it(http: httpx.Client, redis: Redis) -> None:
    before = http.get("/v1/models/mini").json()["darkroom"]
    moved = {"model": "mini", "module": "vae.decode", "reason": "a generator moved"}
    announce(redis, "one", never_stacked=[moved])
    warm = http.get("/v1/models/mini").json()["darkroom"]
    redis.flushall()
    after = http.get("/v1/models/mini").json()["darkroom"]

    assert [before["state"], warm["state"], after["state"]] == ["cold", "warm", "cold"]
    assert warm["never_stacked"] == {"vae.decode": "a generator moved"}
