"""A Kafka client for simulated worlds: one connection, any version that the broker speaks, calls with a deadline."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from server.model.errors import ErrorCode
from server.ports import Network
from server.wire import api, frames
from server.wire.messages.api_versions import ApiVersionsRequest

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, INIT_PRODUCER_ID = 18, 19, 20, 21, 22
CALL_S = 15.0
ZSTD_SINCE = {PRODUCE: 7, FETCH: 10}  # older versions cannot carry every codec that these worlds use (KIP-110)


class Broken(Exception):
    """No answer: refused, cut off, or too late. Whether the broker did it, nobody knows."""


class _Waiting(NamedTuple):
    future: "asyncio.Future[Any]"
    api_key: int
    version: int
    heard: Callable[[Any], None]


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = bytearray()
        self._waiting: dict[int, _Waiting] = {}
        self._transport: asyncio.Transport
        self._next_id = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= frames.SIZE_BYTES:
            size = frames.frame_size(self._received) + frames.SIZE_BYTES
            if len(self._received) < size:
                return
            frame = bytes(self._received[frames.SIZE_BYTES : size])
            del self._received[:size]
            self._answered(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        for waiting in self._waiting.values():
            if not waiting.future.done():
                waiting.future.set_exception(Broken(f"connection lost: {exc}"))
        self._waiting.clear()

    def send(
        self, api_key: int, version: int, request: Any, heard: Callable[[Any], None] = lambda answer: None
    ) -> "asyncio.Future[Any]":
        """heard: told the answer at the moment it arrives, before anything else can happen."""
        self._next_id += 1
        header = frames.RequestHeader(api_key, version, self._next_id, "sim")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._next_id] = _Waiting(future, api_key, version, heard)
        self._transport.write(frames.request_frame(header, api.encode_request(api_key, version, request)))
        return future

    def close(self) -> None:
        self._transport.abort()

    def _answered(self, frame: bytes) -> None:
        correlation_id = int.from_bytes(frame[:4], "big", signed=True)
        assert correlation_id == min(self._waiting), "answers have to come in the order of the requests"
        asked = self._waiting.pop(correlation_id)
        _, body_at = frames.decode_response_header(frame, api.header_versions(asked.api_key, asked.version)[1])
        answer = api.decode_response(asked.api_key, asked.version, frame, body_at)
        if not asked.future.done():
            asked.heard(answer)
            asked.future.set_result(answer)


class Client:
    """Connects when it has to. Draws one version of each API, among those that the broker and we both have."""

    metadata_epoch = -1  # the leader epoch that it has from metadata; -1 for a client that asks for none

    def __init__(self, network: Network, rng: Random, host: str, port: int) -> None:
        self._network, self._rng, self._host, self._port = network, rng, host, port
        self._connection: Connection | None = None
        self._versions: dict[int, int] = {}
        self.leader_epochs: dict[tuple[str, int], int] = {}  # the latest that it heard of (KIP-320)

    async def call(self, api_key: int, request: Any, heard: Callable[[Any], None] = lambda answer: None) -> Any:
        """Ask, and give the answer; `heard` is told it at the moment it arrives. Raises Broken."""
        (answer,) = await self.calls(api_key, [(request, heard)])
        if isinstance(answer, Broken):
            raise answer
        return answer

    async def calls(self, api_key: int, asked: Sequence[tuple[Any, Callable[[Any], None]]]) -> list[Any]:
        """Ask all at once on one connection; give each one's answer, or the Broken that it ended in."""
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(CALL_S):
                connection = await self._connected()
                version = self._version(api_key)
                futures = [connection.send(api_key, version, request, heard) for request, heard in asked]
                await asyncio.wait(futures)
        except (TimeoutError, OSError, Broken) as e:
            self.disconnect()
            broken = Broken(f"{type(e).__name__}: {e}")
            for future in futures:
                if not future.cancel() and not future.cancelled():
                    future.exception()  # looked at, so that asyncio does not report it
            return [broken] * len(asked)
        return [future.exception() or future.result() for future in futures]

    def use_newest(self, api_key: int) -> None:
        """Speak our newest version of an API, which has to be the broker's too."""
        self._versions[api_key] = api.served_versions(api_key)[1]

    def use(self, api_key: int, version: int) -> None:
        """Speak this version of an API."""
        self._versions[api_key] = version

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.lost:
            self._connection = connection = await self._network.dial(Connection, self._host, self._port)
            newest = api.served_versions(API_VERSIONS)[1]
            told = await connection.send(API_VERSIONS, newest, ApiVersionsRequest("sim", "1"))
            assert told.error_code == ErrorCode.NONE
            self._spoken = {row.api_key: (row.min_version, row.max_version) for row in told.api_keys}
        return self._connection

    def _version(self, api_key: int) -> int:
        if api_key not in self._versions:
            oldest, newest = self._spoken[api_key]
            ours = api.served_versions(api_key)
            oldest = max(oldest, ours[0], ZSTD_SINCE.get(api_key, 0))
            self._versions[api_key] = self._rng.randint(oldest, min(newest, ours[1]))
        return self._versions[api_key]
