"""The listener over real sockets, on both loops: what a fake transport cannot show."""

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from struct import pack

import pytest
import uvloop

from server.net.answers import Answer
from server.net.limits import UNSENT_HIGH_BYTES, Limits
from server.net.listener import listen
from server.net.registry import Registry
from server.net.sockets import Sockets
from server.ports import Listening
from tests.support.waiting import until

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
MIB = 1024 * 1024
PATIENCE_S = 20


class Server:
    """Answers with the frame, upper case; a frame of a number with so many bytes. Runs in a thread of its own."""

    def __init__(
        self, make_loop: Callable[[], asyncio.AbstractEventLoop], limits: Limits, host: str, port: int
    ) -> None:
        self.registry = Registry(limits)
        self.unsent_bytes = 0  # the most that ever was
        self.listening: Listening
        self.loop = make_loop()
        self.loop.run_until_complete(self._listen(host, port))
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    async def _listen(self, host: str, port: int) -> None:
        self.listening = await listen(Sockets(), self.registry, host, port, lambda peer: self.serve, lambda: None)

    def serve(self, request: memoryview) -> Answer:
        for member in self.registry._silent:
            self.unsent_bytes = max(self.unsent_bytes, member._transport.get_write_buffer_size())  # type: ignore[attr-defined]
        text = bytes(request)
        return [bytes(int(text))] if text.isdigit() else [text.upper()]

    def call(self, act: Callable[[], None]) -> None:
        done = threading.Event()
        self.loop.call_soon_threadsafe(act)
        self.loop.call_soon_threadsafe(done.set)
        assert done.wait(PATIENCE_S)

    @contextlib.contextmanager
    def connect(self, host: str = "127.0.0.1") -> Iterator[socket.socket]:
        with socket.create_connection((host, self.listening.port), PATIENCE_S) as connection:
            yield connection

    def stop(self) -> None:
        self.call(self.listening.close)
        self.call(self.registry.close_all)
        until(lambda: not len(self.registry), PATIENCE_S, "connections to end")
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(asyncio.sleep(0))  # what was closed ends in the loop's next turn
        self.loop.close()


Start = Callable[..., Server]


@pytest.fixture(params=LOOPS)
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def start_server(host: str = "127.0.0.1", port: int = 0, **given: int) -> Server:
            server = Server(LOOPS[request.param], Limits(**given), host, port)
            stack.callback(server.stop)
            return server

        yield start_server


def frame(body: bytes) -> bytes:
    return pack(">i", len(body)) + body


def receive(connection: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        data = connection.recv(min(size - len(got), MIB))
        assert data, f"the connection ended after {len(got)} of {size} bytes"
        got += data
    return bytes(got)


def test_many_clients_are_served_at_once(start: Start) -> None:
    server = start()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(50)]
        for _ in range(20):
            for n, client in enumerate(clients):
                client.sendall(frame(b"client %d;" % n) * 3)
        for n, client in enumerate(clients):
            expected = b"CLIENT %d;" % n * 60
            assert receive(client, len(expected)) == expected


def test_a_frame_larger_than_any_buffer(start: Start) -> None:
    with start().connect() as client:
        body = b"abc" * MIB
        client.sendall(frame(body) + frame(b"next"))
        assert receive(client, len(body)) == body.upper()
        assert receive(client, 4) == b"NEXT"


def test_who_does_not_read_costs_no_more_than_the_limit_and_one_answer(start: Start) -> None:
    server = start()
    with server.connect() as client:
        client.sendall(frame(b"%d" % MIB) * 100)
        assert receive(client, 100 * MIB) == bytes(100 * MIB)
    assert server.unsent_bytes <= UNSENT_HIGH_BYTES + MIB


@pytest.mark.parametrize(
    ("garbage", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\xff" * 99, b""),
        (pack(">i", 1001), b""),
        (frame(b"a") + b"\x16\x03\x01\x02\x00", b"A"),
    ],
)
def test_garbage_ends_its_own_connection_only(start: Start, garbage: bytes, answer: bytes) -> None:
    server = start(socket_request_max_bytes=1000)
    with server.connect() as good, server.connect() as bad:
        bad.sendall(garbage)
        assert bad.recv(100) == answer
        assert bad.recv(100) == b""
        good.sendall(frame(b"still here"))
        assert receive(good, 10) == b"STILL HERE"


@pytest.mark.parametrize(
    "data", [b"", b"\0\0", frame(b"abc")[:-1], frame(b"%d" % (64 * MIB)), frame(b"x" * MIB)[:-1]], ids=len
)
def test_a_peer_that_leaves_leaves_nothing_behind(start: Start, data: bytes) -> None:
    server = start()
    with server.connect() as client:
        client.sendall(data)
    with server.connect() as client:
        client.sendall(frame(b"a"))
        assert receive(client, 1) == b"A"
    until(lambda: not len(server.registry), PATIENCE_S, "both to be gone")
    assert server.registry.held_bytes == 0


def test_a_taken_port_is_an_error(start: Start) -> None:
    server = start()

    async def listen_there() -> None:
        await Sockets().listen(asyncio.BufferedProtocol, "127.0.0.1", server.listening.port)

    with pytest.raises(OSError, match="in use") as caught:
        asyncio.run(listen_there())
    assert caught.value.errno == errno.EADDRINUSE


def test_an_empty_host_is_every_address(start: Start) -> None:
    server = start("")
    with server.connect("127.0.0.1") as client:
        client.sendall(frame(b"by ipv4"))
        assert receive(client, 7) == b"BY IPV4"
        assert {member.host for member in server.registry._silent} == {"127.0.0.1"}


def test_a_closed_listener_refuses_and_closed_connections_end(start: Start) -> None:
    server = start()
    with server.connect() as client:
        client.sendall(frame(b"a"))
        assert receive(client, 1) == b"A"
        server.call(server.listening.close)
        server.call(server.registry.close_all)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.listening.port), PATIENCE_S)


class Caller(asyncio.BufferedProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def test_dialling_gives_the_protocol_that_was_made(start: Start) -> None:
    server, made = start(), list[Caller]()

    def make() -> Caller:
        made.append(Caller())
        return made[-1]

    async def dial() -> Caller:
        caller = await Sockets().dial(make, "127.0.0.1", server.listening.port)
        await asyncio.sleep(0)
        return caller

    assert asyncio.run(dial()) is made[0]
