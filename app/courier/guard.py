"""Keeps what a caller has us call away from addresses that are not public (server-side request forgery).

A name is looked up once for each request; every address that it stands for is judged, and the connection goes to a
judged one: a name that is looked up again could stand for another by then (DNS rebinding).
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from ipaddress import ip_address

import httpx

from app.contract.settings import Settings
from app.courier.ranges import Address, Network, is_public

LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
PUBLIC_HOST = rf"(?:{LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.?"  # no address in any notation
ANY_HOST = rf"(?:(?:{LABEL}\.)*{LABEL}\.?|\[[0-9A-Fa-f:.]{{2,45}}\])"
PATH = r"(?:[/?][!-\"$-~]*)?"  # ASCII; and no fragment, which is never sent
DEFAULT_PORTS = {"https": 443, "http": 80}

Resolve = Callable[[str], Awaitable[list[Address]]]

_resolvers = ThreadPoolExecutor(16, "resolver")  # not the event loop's own, which others need: a look-up may hang


class EgressRefused(Exception):
    """Raised when an address may not be called; the sentence is for whoever named it."""


async def resolve(host: str) -> list[Address]:
    """All addresses of a host, in the order in which they are to be tried; raises OSError."""
    look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_resolvers, look_up)
    return _addresses(found)


class Guard:
    """Says where a request may go: by https to public addresses, and by http too into the ranges that are allowed."""

    def __init__(
        self, allow: Sequence[Network] = (), ports: Collection[int] = (443, 80, 8443), resolve: Resolve = resolve
    ) -> None:
        self._allow = allow
        self._resolve = resolve
        scheme, host = ("https?", ANY_HOST) if allow else ("https", PUBLIC_HOST)
        self._ports = ports
        numbers = "|".join(map(str, ports))
        self.pattern = rf"^{scheme}://{host}(?::(?:{numbers}))?{PATH}$"  # all that `check` can say of the form

    @classmethod
    def of(cls, settings: Settings) -> "Guard":
        return cls(settings.egress_ranges, settings.egress_port_numbers)

    def check(self, url: str) -> None:
        """Refuses an address by what it says: its form, and the host if that is an address itself.

        Raises EgressRefused.
        """
        parsed = self._parse(url)
        try:
            literal = socket.getaddrinfo(_host(parsed), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            return  # a name
        self._judge(parsed, _addresses(literal))

    async def admit(self, url: httpx.URL) -> list[Address]:
        """Looks the host up, once; returns its addresses, which may all be connected to.

        Raises EgressRefused, or httpx.ConnectError if there are none.
        """
        self.check(str(url))
        try:
            addresses = await self._resolve(_host(url))
        except OSError as error:
            raise httpx.ConnectError("The host's name cannot be looked up.") from error
        if not addresses:
            raise httpx.ConnectError("The host's name stands for no address.")
        self._judge(url, addresses)
        return addresses

    def _parse(self, url: str) -> httpx.URL:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            raise self._malformed() from None
        if not re.fullmatch(self.pattern, url) or (parsed.port or DEFAULT_PORTS[parsed.scheme]) not in self._ports:
            raise self._malformed()
        return parsed

    def _judge(self, url: httpx.URL, addresses: Sequence[Address]) -> None:
        for address in addresses:
            if any(address in network for network in self._allow):
                continue
            if not is_public(address):
                raise EgressRefused("The host does not stand for a public address.")
            if url.scheme != "https":
                raise EgressRefused("A public address is called by https alone.")

    def _malformed(self) -> EgressRefused:
        begins = "http:// or https://" if self._allow else "https:// and a host's name"
        ports = ", ".join(map(str, self._ports))
        return EgressRefused(
            f"It is to begin with {begins}, to name no user, to be ASCII, and its port one of {ports}."
        )


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends each request to an address that the guard has judged, with the Host and for the certificate of the name."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        once = httpx.Limits(max_keepalive_connections=0)  # a kept connection would serve every name of its address
        self._transport = httpx.AsyncHTTPTransport(verify=_trusted(), trust_env=False, limits=once)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        failure: httpx.TransportError
        for address in await self._guard.admit(request.url):
            try:
                return await self._transport.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        await self._transport.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()  # the operator's own authorities beside the public ones
    return context


def _host(url: httpx.URL) -> str:
    """As it was written: httpx's own `host` is decoded, and would be encoded again by another standard."""
    return url.raw_host.decode()


def _pinned(request: httpx.Request, address: Address) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,  # with the name's Host
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": _host(request.url).removesuffix(".")},
    )


def _addresses(found: Sequence[tuple[object, object, object, object, tuple[object, ...]]]) -> list[Address]:
    return list(dict.fromkeys(ip_address(str(each[4][0])) for each in found))
