"""The service's own description: FastAPI's, narrowed to what the models of the catalogue take."""

from collections.abc import Callable
from math import gcd
from typing import Any

from fastapi import FastAPI

from app.contract.catalogue import Catalogue
from app.contract.generation import SEED_MAX

Schema = dict[str, Any]


def describe(app: FastAPI, catalogue: Catalogue) -> Callable[[], Schema]:
    """Returns what answers `/openapi.json`; where models differ, it tells the widest and `/v1/models` the rest."""
    general = app.openapi

    def openapi() -> Schema:
        if app.openapi_schema is None:
            schema = general()
            _secure(schema)
            schemas = schema["components"]["schemas"]
            fields = schemas["GenerationRequest"]["properties"]
            for field, bounds in _bounds(catalogue).items():
                _value(fields[field]).update(bounds)
        assert app.openapi_schema  # noqa: S101 - FastAPI keeps what it has made
        return app.openapi_schema

    return openapi


def _secure(schema: Schema) -> None:
    """Says where an API key is sent; it may be left out as long as the service is open."""
    schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "dk_..."}}
    for path, operations in schema["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{"key": []}, {}]


def _bounds(catalogue: Catalogue) -> dict[str, Schema]:
    models = catalogue.models.values()
    limits = [model.limits for model in models]
    side = {
        "minimum": min(each.min_size for each in limits),
        "maximum": max(each.max_size for each in limits),
        "multipleOf": gcd(*(each.size_multiple for each in limits)),
    }
    return {
        "model": {"enum": list(catalogue.models)},
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
