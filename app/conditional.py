"""Conditional answers (RFC 9110, section 13): who has the bytes already gets a 304."""

from fastapi import Request


def has_already(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this entity tag; `etag` is quoted."""
    named = request.headers.get("if-none-match", "")
    return named.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in named.split(","))
