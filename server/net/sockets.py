"""The real Network: TCP sockets of the running loop."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)

BACKLOG = 1024  # connections that the kernel holds until we accept them


class _Server:
    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port = int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        self._server.close()


class Sockets:
    """The Network port, over TCP."""

    async def listen(self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> _Server:
        """An empty host means every address of this machine, by IPv4 and, where there is one, IPv6."""
        loop = asyncio.get_running_loop()
        if host:
            return _Server(await loop.create_server(make, host, port, backlog=BACKLOG))
        return _Server(await loop.create_server(make, sock=_any_address(port), backlog=BACKLOG))

    async def dial(self, make: Callable[[], P], host: str, port: int) -> P:
        """A name with several addresses is refused when all of them are: asyncio tells that in words only."""
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(make, host, port)
        except OSError as e:
            parts = str(e).removeprefix("Multiple exceptions: ").split(", [Errno ")
            if e.errno is None and all(
                part.removeprefix("[Errno ").startswith(f"{errno.ECONNREFUSED}]") for part in parts
            ):
                raise ConnectionRefusedError(errno.ECONNREFUSED, str(e)) from e
            raise
        return protocol


def _any_address(port: int) -> socket.socket:
    """One socket for both families: with two, a free port of the one may be taken in the other."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as e:
            if e.errno != errno.EAFNOSUPPORT:
                raise
    return socket.create_server(("", port))
