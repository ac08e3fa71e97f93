"""The service's own description: FastAPI's, narrowed to what the models of the catalogue take."""

from collections.abc import Callable, Iterable
from math import gcd
from typing import Any

from fastapi import FastAPI

from app.contract.catalogue import Catalogue, Model
from app.contract.generation import SEED_MAX
from app.courier.guard import Guard

Schema = dict[str, Any]
NULL: Schema = {"type": "null"}


def describe(app: FastAPI, catalogue: Catalogue, guard: Guard, *, may_be_open: bool) -> Callable[[], Schema]:
    """Returns what answers `/openapi.json`; where models differ, it tells the widest and `/v1/models` the rest."""
    general = app.openapi

    def openapi() -> Schema:
        if app.openapi_schema is None:
            described = general()
            schemas = described["components"]["schemas"]
            models = list(catalogue.models.values())
            _narrow_images(described, max(model.limits.max_input_images for model in models))
            _narrow(schemas, models)
            _narrow_openai(schemas, models)
            for target in ("Webhook", "EndpointRequest"):
                schemas[target]["properties"]["url"]["pattern"] = guard.pattern
            _secure(described, may_be_open)
            for operation in _operations(described):
                _leave_null_to_bodies(operation)
        assert app.openapi_schema  # noqa: S101 - FastAPI keeps what it has made
        return app.openapi_schema

    return openapi


def _secure(described: Schema, may_be_open: bool) -> None:
    """Says where an API key is sent; it may be left out as long as the service is open."""
    nobody: list[Schema] = [{}] if may_be_open else []
    described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "dk_..."}}
    for path, operations in described["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{"key": []}, *nobody]


def _operations(described: Schema) -> Iterable[Schema]:
    return (operation for path in described["paths"].values() for operation in path.values())


def _leave_null_to_bodies(operation: Schema) -> None:
    """A parameter that may be left out cannot be null: there is no such word in an address or a header."""
    for parameter in operation.get("parameters", []):
        _drop_null(parameter["schema"])


def _drop_null(schema: Schema) -> None:
    branches = [branch for branch in schema.get("anyOf", []) if branch != NULL]
    if len(branches) == 1:
        schema.update(branches[0])
        del schema["anyOf"]


def _narrow(schemas: Schema, models: list[Model]) -> None:
    request = schemas["GenerationRequest"]
    fields = request["properties"]
    for field, bounds in _bounds(models).items():
        _value(fields[field]).update(bounds)
    _name(schemas["Lora"], {lora for model in models for lora in model.loras})
    _name(schemas["ControlRequest"], {controlnet for model in models for controlnet in model.controlnets})
    if not any(model.loras for model in models):
        fields["loras"]["maxItems"] = 0
    if not any(model.controlnets for model in models):
        fields["control"] = NULL
    pictures = [branch for branch in fields["image"]["anyOf"] if branch != NULL]
    request["anyOf"] = [
        {"properties": {"image": {"anyOf": pictures}}, "required": ["image"]},
        {"properties": dict.fromkeys(("mask", "strength"), NULL)},
    ]


def _narrow_images(described: Schema, most: int) -> None:
    described["components"]["schemas"]["GenerationRequest"]["properties"]["image"]["anyOf"][1]["maxItems"] = most
    for path, method in (("/v1/jobs", "post"), ("/v1/jobs/{job_id}", "put")):
        form = described["paths"][path][method]["requestBody"]["content"]["multipart/form-data"]["schema"]
        form["properties"]["image"]["maxItems"] = most


def _narrow_openai(schemas: Schema, models: list[Model]) -> None:
    """Says the same of OpenAI's requests, and that a form has no null."""
    bounds = _bounds(models)
    side = bounds["width"]
    sides = "|".join(str(each) for each in range(side["minimum"], side["maximum"] + 1, side["multipleOf"]))
    bounds |= {"n": bounds["num_images"], "size": {"pattern": f"^(auto|({sides})x({sides}))$"}}
    if not any(model.loras for model in models):
        bounds["loras"] = {"maxItems": 0}
    for name in ("ImageRequest", "EditRequest"):
        fields = schemas[name]["properties"]
        for field in bounds.keys() & fields.keys():
            _value(fields[field]).update(bounds[field])
    for field in schemas["EditRequest"]["properties"].values():
        _drop_null(field)


def _name(schema: Schema, names: set[str]) -> None:
    if names:
        schema["properties"]["name"]["enum"] = sorted(names)


def _bounds(models: list[Model]) -> dict[str, Schema]:
    limits = [model.limits for model in models]
    side = {
        "minimum": min(each.min_size for each in limits),
        "maximum": max(each.max_size for each in limits),
        "multipleOf": gcd(*(each.size_multiple for each in limits)),
    }
    return {
        "model": {"enum": [model.name for model in models]},
        "scheduler": {"enum": sorted({scheduler for model in models for scheduler in model.schedulers})},
        "width": side,
        "height": side,
        "seed": {"maximum": SEED_MAX},  # FastAPI writes bounds as floats, which this one is too large for
        "num_images": {"maximum": max(each.max_num_images for each in limits)},
        "num_inference_steps": {"maximum": max(each.max_num_inference_steps for each in limits)},
        "guidance_scale": {"maximum": max(each.max_guidance_scale for each in limits)},
    }


def _value(field: Schema) -> Schema:
    """The part of a field's schema that says what it may be when it is not null."""
    branches: list[Schema] = field.get("anyOf", [field])
    return branches[0]
