"""Cuts over real sockets on loopback: silence while an address is cut, and everything behind it when it is healed."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.net.cuts import MAX_HELD_BYTES, Cuts
from server.net.sockets import Sockets

HOST = "127.0.0.1"


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Caller(asyncio.BufferedProtocol):
    """Collects what it hears."""

    def __init__(self) -> None:
        self.heard, self.lost, self.news = b"", False, asyncio.Event()
        self._buffer = memoryview(bytearray(1024))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.news.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard += self._buffer[:nbytes]
        self.news.set()

    async def until(self, heard: bytes) -> None:
        async with asyncio.timeout(10):
            while self.heard != heard:
                self.news.clear()
                await self.news.wait()


class PlainCaller(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"plain")

    def data_received(self, data: bytes) -> None:
        self.heard.set_result(data)


class World:
    """An echo at one port, and a network that can be cut off from it."""

    def __init__(self) -> None:
        self.text = ""
        self.looked = asyncio.Event()
        self.cuts = Cuts(Sockets(), self.read)
        self.echoes: list[Echo] = []

    def read(self) -> str:
        self.looked.set()
        return self.text

    def echo(self) -> Echo:
        self.echoes.append(Echo())
        return self.echoes[-1]

    def cut(self, *ports: int) -> None:
        self.text = "".join(f"{HOST}:{port}\n" for port in ports)
        self.cuts.look()


def played(scene: Callable[[World, int], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        world = World()
        server = await world.cuts.listen(world.echo, HOST, 0)
        try:
            await scene(world, server.port)
        finally:
            server.close()
            for end in (*world.cuts.wires, *(echo.transport for echo in world.echoes)):
                end.abort()
            await asyncio.sleep(0)  # what was aborted is closed in the next turn

    asyncio.run(all_of_it())


async def silent(caller: Caller) -> None:
    """Whatever the echo could have sent is there by now: another connection's echo has come."""
    ours = caller.transport.get_extra_info("peername")
    other = await Sockets().dial(Caller, *ours[:2])
    other.transport.write(b"x")
    await other.until(b"x")
    other.transport.abort()


def test_a_standing_connection_is_silent_both_ways_and_goes_on_when_healed() -> None:
    async def scene(world: World, port: int) -> None:
        caller = await world.cuts.dial(Caller, HOST, port)
        caller.transport.write(b"one ")
        await caller.until(b"one ")
        world.cut(port)
        caller.transport.write(b"two ")
        caller.transport.write(b"three")
        await silent(caller)
        assert (caller.heard, caller.lost) == (b"one ", False)
        world.cut()
        await caller.until(b"one two three")

    played(scene)


def test_a_dial_waits_and_is_made_when_healed() -> None:
    async def scene(world: World, port: int) -> None:
        world.cut(port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await world.cuts.dial(Caller, HOST, port)
        waiting = asyncio.ensure_future(world.cuts.dial(Caller, HOST, port))
        world.cut(port, 1)
        await asyncio.sleep(0)
        assert not waiting.done()
        world.cut()
        (await waiting).transport.write(b"here")
        await waiting.result().until(b"here")

    played(scene)


def test_other_addresses_are_reached() -> None:
    async def scene(world: World, port: int) -> None:
        world.cut(port + 1)
        caller = await world.cuts.dial(PlainCaller, HOST, port)
        async with asyncio.timeout(10):
            assert await caller.heard == b"plain"

    played(scene)


def test_a_connection_that_holds_too_much_ends() -> None:
    async def scene(world: World, port: int) -> None:
        caller = await world.cuts.dial(Caller, HOST, port)
        world.cut(port)
        caller.transport.write(bytes(MAX_HELD_BYTES))
        assert not caller.transport.is_closing()
        caller.transport.write(b"x")
        assert caller.transport.is_closing()
        world.cut()

    played(scene)


def test_the_file_is_followed() -> None:
    async def scene(world: World, port: int) -> None:
        watching = asyncio.ensure_future(world.cuts.watch())
        caller = await world.cuts.dial(Caller, HOST, port)
        world.text = f"{HOST}:{port}\n"
        world.looked.clear()
        await world.looked.wait()
        assert world.cuts.cut
        caller.transport.write(b"held")
        world.text = ""
        await caller.until(b"held")
        watching.cancel()

    played(scene)
