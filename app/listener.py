import errno
import socket

from app.contract.unstartable import Unstartable

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Opens the socket of the API; with port 0 the system chooses the port.

    Raises Unstartable.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken, choose another one with --port" if taken else error.strerror
        raise Unstartable(f"Cannot listen on {host}:{port}: {reason}.") from error
    # its connections inherit it; asyncio sets it only on sockets that were opened by protocol number
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what a person opens in a browser
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
