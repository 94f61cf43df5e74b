"""A listener: one address on which clients are accepted."""

import asyncio
from collections.abc import Callable

from server.net.answers import Peer, Service
from server.net.connection import Connection
from server.net.registry import Registry
from server.ports import Listening, Network


async def listen(
    network: Network,
    registry: Registry,
    host: str,
    port: int,
    serve: Callable[[Peer], Service],
    flush: Callable[[], None],
) -> Listening:
    """Accept connections; `serve` makes one service for each, `flush` writes what the frames of a read staged.

    Raises OSError: the address is in use, or not this machine's.
    """

    def connection() -> asyncio.BaseProtocol:
        return Connection(registry, serve, flush)

    return await network.listen(connection, host, port)
