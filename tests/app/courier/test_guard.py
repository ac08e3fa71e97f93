import re
import ssl
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest
import trustme

from app.courier import guard as guard_module
from app.courier.guard import EgressRefused, Guard, GuardedTransport
from app.courier.ranges import Address
from tests.app.courier.listening import ANSWER, listening

LOOPBACK = [ip_network("127.0.0.0/8")]
ELSEWHERE = [ip_network("192.0.2.0/24")]  # with a range that is allowed, an address may be written in any notation

NOTATIONS = {
    "dotted": "127.0.0.1",
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "octal, whole": "017700000001",
    "hex": "0x7f000001",
    "hex, dotted": "0x7f.0x0.0x0.0x1",
    "short": "127.1",
    "shorter": "0",
    "loopback, IPv6": "[::1]",
    "unspecified, IPv6": "[::]",
    "IPv4-mapped": "[::ffff:127.0.0.1]",
    "IPv4-mapped, hex": "[::ffff:7f00:1]",
    "IPv4-compatible": "[::127.0.0.1]",
    "NAT64": "[64:ff9b::7f00:1]",
    "NAT64, local": "[64:ff9b:1::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "Teredo": "[2001::80ff:fffe]",
    "IPv6 zone": "[fe80::1%25lo]",
    "IPv6 zone, bare": "[::1%lo]",
    "trailing dot": "localhost.",
    "trailing dot, address": "127.0.0.1.",
    "name": "localhost",
    "name, upper case": "LOCALHOST",
    "full-width digits": "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "circled digits": "①②⑦.⓪.⓪.①",
    "percent-encoded": "127%2e0%2e0%2e1",
    "NUL": "127.0.0.1%00.example.com",
}
USERINFO = {
    "user": "https://user@127.0.0.1:{port}/",
    "user and password": "https://example.com:443@127.0.0.1:{port}/",
    "empty user": "https://@127.0.0.1:{port}/",
    "backslash": "https://example.com\\@127.0.0.1:{port}/",
    "fragment": "https://127.0.0.1:{port}#@example.com/",
    "query": "https://127.0.0.1:{port}?@example.com/",
    "line break": "https://127.0.0.1:{port}/\r\nHost: example.com",
    "tab": "https://exa\tmple.com/",
    "no host": "https:///127.0.0.1:{port}/",
    "other scheme": "ftp://127.0.0.1:{port}/",
    "file": "file:///etc/passwd",
    "no scheme": "//127.0.0.1:{port}/",
}


class Names:
    """A resolver that gives each of its answers once, and then the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def __call__(self, host: str) -> list[Address]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(each) for each in answer]


async def call(guard: Guard, url: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=GuardedTransport(guard), trust_env=False, timeout=5) as client:
        return await client.post(url, content=b"{}")


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", NOTATIONS.values(), ids=NOTATIONS)
async def test_no_notation_of_a_private_address_is_called(host: str, scheme: str) -> None:
    async with listening() as listener:
        for allow in ([], ELSEWHERE):
            with pytest.raises((EgressRefused, httpx.ConnectError, httpx.InvalidURL)):
                await call(Guard(allow, [listener.port]), f"{scheme}://{host}:{listener.port}/")

    assert listener.heard == []


@pytest.mark.parametrize("host", NOTATIONS.values(), ids=NOTATIONS)
def test_what_is_an_address_in_any_notation_is_refused_before_it_is_called(host: str) -> None:
    with pytest.raises(EgressRefused):
        Guard().check(f"https://{host}/")


@pytest.mark.anyio
@pytest.mark.parametrize("form", USERINFO.values(), ids=USERINFO)
async def test_no_trick_of_form_leads_to_a_private_address(form: str) -> None:
    async with listening() as listener:
        url = form.format(port=listener.port)
        for allow in ([], ELSEWHERE):
            guard = Guard(allow, [listener.port, 443], Names(["127.0.0.1"]))
            with pytest.raises(EgressRefused):
                guard.check(url)
            with pytest.raises((EgressRefused, httpx.InvalidURL, httpx.UnsupportedProtocol)):
                await call(guard, url)

    assert listener.heard == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a00:1::", "ff02::1"]
)
async def test_a_name_is_judged_by_every_address_that_it_stands_for(address: str) -> None:
    names = Names(["93.184.216.34", address])

    with pytest.raises(EgressRefused):
        await call(Guard(resolve=names), "https://receiver.example/")


@pytest.mark.anyio
async def test_a_name_that_changes_its_answer_is_looked_up_once_and_called_where_it_was_judged() -> None:
    async with listening("127.0.0.1") as judged, listening("127.0.0.2", judged.port) as other:
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        guard = Guard([ip_network("127.0.0.1/32")], [judged.port], names)

        answer = await call(guard, f"http://receiver.example:{judged.port}/")
        with pytest.raises(EgressRefused):
            await call(guard, f"http://receiver.example:{judged.port}/")

    assert answer.status_code == 200
    assert names.asked == ["receiver.example"] * 2
    assert (len(judged.heard), other.heard) == (1, [])


@pytest.mark.anyio
@pytest.mark.parametrize("follows", [False, True])
async def test_a_redirect_to_a_private_address_is_not_called(follows: bool) -> None:
    async with listening("127.0.0.1") as receiver, listening("127.0.0.2", receiver.port) as victim:
        receiver.answer = ANSWER % (b"302 Found", b"Location: http://127.0.0.2:%d/\r\n" % receiver.port)
        transport = GuardedTransport(Guard([ip_network("127.0.0.1/32")], [receiver.port]))

        async with httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=follows) as client:
            if follows:
                with pytest.raises(EgressRefused):
                    await client.get(f"http://127.0.0.1:{receiver.port}/")
            else:
                assert (await client.get(f"http://127.0.0.1:{receiver.port}/")).status_code == 302

    assert victim.heard == []


@pytest.mark.anyio
async def test_the_connection_goes_to_the_address_under_the_host_of_the_name() -> None:
    async with listening() as listener:
        guard = Guard(LOOPBACK, [listener.port], Names(["127.0.0.1"]))

        await call(guard, f"http://receiver.example:{listener.port}/hook?x=1")

    assert listener.heard[0].startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert f"\r\nHost: receiver.example:{listener.port}\r\n".encode().lower() in listener.heard[0].lower()


@pytest.mark.anyio
async def test_the_certificate_is_asked_for_by_the_name() -> None:
    async with listening() as listener:
        guard = Guard(LOOPBACK, [listener.port], Names(["127.0.0.1"]))

        with pytest.raises(httpx.ConnectError):  # it answers in plain text
            await call(guard, f"https://receiver.example.:{listener.port}/")

    server_name = b"\x00\x00\x10receiver.example"  # TLS's extension: a host name of 16 letters
    assert server_name in listener.heard[0]


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "is_its_own"), [("receiver.example", True), ("other.example", False)])
async def test_the_certificate_has_to_be_the_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, is_its_own: bool
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))  # one that the operator trusts
    monkeypatch.setattr(guard_module, "_trusted", guard_module._trusted.__wrapped__)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("receiver.example").configure_cert(tls)

    async with listening(tls=tls) as listener:
        guard = Guard(LOOPBACK, [listener.port], Names(["127.0.0.1"]))
        calling = call(guard, f"https://{name}:{listener.port}/")
        if is_its_own:
            assert (await calling).status_code == 200
        else:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await calling

    assert len(listener.heard) == is_its_own


@pytest.mark.anyio
async def test_a_name_beyond_ascii_is_looked_up_as_it_is_written() -> None:
    async with listening() as listener:
        names = Names(["127.0.0.1"])

        await call(Guard(LOOPBACK, [listener.port], names), f"http://xn--strae-oqa.example:{listener.port}/")

    assert names.asked == ["xn--strae-oqa.example"]  # and not, as by the older standard, strasse.example
    assert b"host: xn--strae-oqa.example" in listener.heard[0].lower()


@pytest.mark.anyio
async def test_a_dead_address_is_passed_over_for_the_next_one() -> None:
    async with listening("127.0.0.2") as listener:
        guard = Guard(LOOPBACK, [listener.port], Names(["127.0.0.1", "127.0.0.2"]))

        assert (await call(guard, f"http://receiver.example:{listener.port}/")).status_code == 200


@pytest.mark.anyio
async def test_a_public_address_is_called_by_https_alone() -> None:
    with pytest.raises(EgressRefused, match="https alone"):
        await call(Guard(LOOPBACK, resolve=Names(["93.184.216.34"])), "http://receiver.example/")


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["no-such-name.invalid", "a.b.c.d.e.invalid"])
async def test_a_name_that_cannot_be_looked_up_is_no_refusal(host: str) -> None:
    with pytest.raises(httpx.ConnectError):
        await call(Guard(), f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "allow", "takes"),
    [
        ("https://example.com", [], True),
        ("https://EXAMPLE.com:8443/a%20b?c=d&e={f}", [], True),
        ("https://xn--bcher-kva.example/", [], True),
        ("https://example.com.:443/", [], True),
        ("https://example.com:80/", [], True),
        ("https://example.com:8080/", [], False),
        ("https://example.com:/", [], False),
        ("https://bücher.example/", [], False),
        ("https://example.com/#part", [], False),
        ("http://example.com/", [], False),
        ("https://app/", [], False),
        ("https://93.184.216.34/", [], False),
        ("https://-a.example/", [], False),
        (f"https://{'a' * 64}.example/", [], False),
        ("http://my_app:443/hook", LOOPBACK, True),
        ("https://93.184.216.34/", LOOPBACK, True),
        ("http://127.0.0.1/", LOOPBACK, True),
        ("http://127.1/", LOOPBACK, True),
        ("http://[::1]/", LOOPBACK, False),
        ("http://[1.2.3.4]/", LOOPBACK, False),
        ("http://[:::]/", LOOPBACK, False),
        ("http://user@127.0.0.1/", LOOPBACK, False),
        ("http://@127.0.0.1/", LOOPBACK, False),
        ("https://256.256.256.256/", LOOPBACK, False),
    ],
)
def test_an_address_is_judged_by_its_form(url: str, allow: list, takes: bool) -> None:
    guard = Guard(allow)

    try:
        guard.check(url)
        taken = True
    except EgressRefused:
        taken = False

    assert taken == takes
    if not allow:
        assert bool(re.search(guard.pattern, url)) == takes


def test_the_port_of_a_scheme_has_to_be_allowed_too() -> None:
    with pytest.raises(EgressRefused):
        Guard(ports=[8443]).check("https://example.com/")
