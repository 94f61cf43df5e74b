"""What the tests of connections share: a transport whose peer is the test, a service that does what a frame says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from struct import pack
from typing import Any

from server.net import limits
from server.net.answers import AfterWrite, Answer, Bytes, Settled
from server.net.connection import Connection
from server.net.limits import Limits
from server.net.registry import Registry
from tests.sim.loop import simulate


def frame(body: bytes) -> bytes:
    return pack(">i", len(body)) + body


class Wire(asyncio.Transport):
    """A transport whose peer the test is: `send` to the connection, read what it `sent`."""

    def __init__(self, protocol: Connection, host: str = "10.0.0.1") -> None:
        super().__init__(extra={"peername": (host, 4711)})
        self.protocol, self.writes = protocol, list[bytes]()
        self.reading, self.closed, self.aborted = True, False, False
        protocol.connection_made(self)

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    def send(self, data: bytes, at_a_time: int = 1 << 30) -> None:
        """Give the connection `data`, as much at a time as it takes; what comes while it does not read is lost."""
        while data and self.reading and not self.closed:
            room = self.protocol.get_buffer(-1)
            assert len(room) > 0, "a connection that reads must have room"
            taken = min(len(room), len(data), at_a_time)
            room[:taken] = data[:taken]
            data = data[taken:]
            self.protocol.buffer_updated(taken)
        self.unread = data

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.writes.append(b"".join(map(bytes, list_of_data)))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (limits.UNSENT_HIGH_BYTES, limits.UNSENT_LOW_BYTES)

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True
        self.protocol.connection_lost(None)


class Later(AfterWrite[Settled]):
    def __init__(self, settle: Callable[[], Settled]) -> None:
        self._settle = settle

    def settle(self) -> Settled:
        return self._settle()


class World:
    """A service that does what the frame says, and remembers what happened in `events`."""

    def __init__(self, **given: int) -> None:
        self.registry = Registry(Limits(**given))
        self.events: list[str] = []
        self.later: dict[str, asyncio.Future[Bytes]] = {}
        self.answers: dict[str, Callable[[], Answer]] = {}

    def connect(self, host: str = "10.0.0.1") -> Wire:
        return Wire(Connection(self.registry, lambda peer: self.serve, self.flush), host)

    def flush(self) -> None:
        if self.events and self.events[-1] != "flush":
            self.events.append("flush")

    def serve(self, request: memoryview) -> Answer:
        text = bytes(request).decode()
        self.events.append(text if len(text) < 20 else f"{text[0]}*{len(text)}")
        if text in self.answers:
            return self.answers[text]()
        return [text.upper().encode(), b";"]

    def wait(self, name: str) -> Callable[[], Awaitable[Bytes | None]]:
        async def until_told() -> Bytes | None:
            told: asyncio.Future[Bytes] = asyncio.get_running_loop().create_future()
            self.later[name] = told
            return await told

        return until_told

    def replicate(self, name: str) -> Callable[[], AfterWrite[Settled]]:
        def settle() -> Settled:
            self.events.append(f"settle {name}")
            self.later[name] = asyncio.get_running_loop().create_future()
            return self.later[name]

        return lambda: Later(settle)


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await main()

    simulate(body())


async def turn(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)
