"""The address of a Redis that Sentinels watch over, in the form that rq-dashboard and Celery's users know."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

SCHEMES = ("redis+sentinel://", "rediss+sentinel://")
FORM = "redis+sentinel://[user:password@]host:port,host:port/service[/db][?sentinel_password=...]"
ADDRESS = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://"
    r"((?P<username>[^:@/]*):(?P<password>[^@/]*)@)?"
    r"(?P<hosts>[^/@?]+)/(?P<service>[^/?]+)(/(?P<db>\d+))?"
    r"(\?sentinel_password=(?P<sentinel_password>[^&]+))?"
)
HOST = re.compile(r"(\[(?P<ipv6>[\da-fA-F:.]+)\]|(?P<name>[^:\[\]]+))(:(?P<port>\d{1,5}))?")
DEFAULT_PORT = 26379


@dataclass(frozen=True)
class SentinelAddress:
    """Whom to ask which server is the primary, and how to connect to it.

    User and password are those of Redis; with `rediss` all connections are encrypted.
    """

    sentinels: list[tuple[str, int]]
    service: str
    options: dict[str, Any] = field(repr=False)  # of a connection to Redis
    sentinel_options: dict[str, Any] = field(repr=False)  # of one to a Sentinel

    @classmethod
    def parse(cls, address: str) -> "SentinelAddress":
        """Raises ValueError."""
        found = ADDRESS.fullmatch(address)
        if not found:
            raise ValueError(f"A Redis behind Sentinels is written as {FORM}")
        ssl = {"ssl": True} if found["scheme"] == "rediss" else {}
        login = {name: unquote(found[name]) for name in ("username", "password") if found[name]}
        own = {"password": unquote(found["sentinel_password"])} if found["sentinel_password"] else {}
        return cls(
            [_host_and_port(each) for each in found["hosts"].split(",")],
            unquote(found["service"]),
            {**login, **ssl, "db": int(found["db"] or 0)},
            {**own, **ssl},
        )


def _host_and_port(text: str) -> tuple[str, int]:
    found = HOST.fullmatch(text)
    if not found or int(port := found["port"] or DEFAULT_PORT) > 65_535:
        raise ValueError("A Sentinel's address is a host and a port, as in sentinel-1:26379")
    return found["ipv6"] or found["name"], int(port)
