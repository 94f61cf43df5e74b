"""Peer: this node's connection to another one. Requests out, responses in, matched by their order.

    peer = Peer(network, "host", 9093, "raft-client-1")
    response = await peer.request(FETCH, message, timeout_ms=2000)

The connection is made at the first request, and again after it broke; a dial that failed is not repeated before its
back-off has passed. Each connection begins with ApiVersions, and every request is of the newest version that both ends
know. Requests are pipelined; a Kafka node answers the requests of one connection in their order, so what may wait long
(a Fetch) and what may not (a heartbeat) go over two Peers.

A request that gets no answer in time ends its connection, as it ends Kafka's: whatever is behind it would wait as well.
All requests that wait fail together, with Unreachable.

Record data in a response is a view of the buffer it was received into, which is never written again.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from struct import Struct
from typing import Any, cast

from server.model.errors import ErrorCode, Rejected
from server.ports import Network
from server.wire import api as wire
from server.wire.codec import Malformed
from server.wire.frames import RequestHeader, decode_response_header, request_frame
from server.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

SIZE = Struct(">i")
API_VERSIONS = 18
INTRODUCTION_VERSION = 3  # of ApiVersions: every Kafka since 2.4 knows it
SOFTWARE = ("kcli-kafka", "1")


class Unreachable(Exception):
    """The other node gave no answer; the text says why.

    refused  its host says that nobody listens there: the node is gone, and not merely slow
    sent     it was asked: whether it did what it was asked is not known
    """

    def __init__(self, message: str, *, refused: bool = False, sent: bool = False) -> None:
        super().__init__(message)
        self.refused, self.sent = refused, sent


@dataclass(frozen=True, slots=True)
class PeerLimits:
    max_response_bytes: int = 128 << 20
    requests_in_flight: int = 64
    receive_bytes: int = 64 << 10  # the receive buffer; a larger frame gets one of its own size
    reconnect_backoff_ms: int = 20
    reconnect_backoff_max_ms: int = 250
    connect_timeout_ms: int = 2_000  # then a fresh attempt: the kernel's own retries wait longer and longer


class Peer:
    def __init__(
        self, network: Network, host: str, port: int, client_id: str, limits: PeerLimits | None = None
    ) -> None:
        self.host, self.port = host, port
        self._network, self._client_id = network, client_id
        self._limits = limits or PeerLimits()
        self._link: Link | None = None
        self._versions: dict[int, tuple[int, int]] = {}
        self._dialing: asyncio.Task[Link] | None = None
        self._failures = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def connected(self) -> bool:
        return self._link is not None and not self._link.lost

    async def request(self, api_key: int, message: Any, timeout_ms: int, *, max_version: int | None = None) -> Any:
        """Ask, and return the response as the newest version's message.

        timeout_ms   for all of it: connecting, waiting, the answer
        raises       Unreachable; Rejected(UNSUPPORTED_VERSION): there is no version that both know
        """
        link: Link | None = None
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                link = await self._connected()
                version = self._version(api_key, max_version)
                return await link.ask(api_key, version, message)
        except TimeoutError as e:
            reason = f"{self} did not answer within {timeout_ms} ms"
            if self._link is not None:
                self._link.end(reason)
            raise Unreachable(reason, sent=link is not None) from e

    def close(self) -> None:
        self._closed = True
        if self._dialing is not None:
            self._dialing.cancel()
        if self._link is not None:
            self._link.end("closed")

    def _version(self, api_key: int, max_version: int | None) -> int:
        low, high = wire.served_versions(api_key)
        theirs = self._versions.get(api_key, (0, -1))
        version = min(high, theirs[1], high if max_version is None else max_version)
        if version < max(low, theirs[0]):
            raise Rejected(ErrorCode.UNSUPPORTED_VERSION, f"{self} has no version of API {api_key} that we know.")
        return version

    async def _connected(self) -> "Link":
        if self._closed:
            raise Unreachable(f"the connection to {self} was closed")
        if self._link is not None and not self._link.lost:
            return self._link
        if self._dialing is None:  # those who ask while it is being made share it
            self._dialing = asyncio.get_running_loop().create_task(self._connect())
            self._dialing.add_done_callback(self._dialed)
        try:
            return await asyncio.shield(self._dialing)
        except asyncio.CancelledError:
            if self._closed:
                raise Unreachable(f"the connection to {self} was closed") from None
            raise

    def _dialed(self, task: "asyncio.Task[Link]") -> None:
        self._dialing = None
        if not task.cancelled():
            task.exception()  # whoever asked may be gone

    async def _connect(self) -> "Link":
        limits = self._limits
        if self._failures:
            backoff_ms = min(limits.reconnect_backoff_ms << (self._failures - 1), limits.reconnect_backoff_max_ms)
            await asyncio.sleep(backoff_ms / 1000)
        self._failures = min(self._failures + 1, 16)
        try:
            async with asyncio.timeout(limits.connect_timeout_ms / 1000):
                link = await self._network.dial(lambda: Link(limits, self._client_id), self.host, self.port)
                await self._introduce(link)
        except Unreachable as e:
            raise Unreachable(str(e)) from e  # only its versions were asked
        except ConnectionRefusedError as e:
            raise Unreachable(f"nobody listens at {self}", refused=True) from e
        except (OSError, TimeoutError) as e:
            raise Unreachable(f"{self} cannot be reached: {e or 'no answer'}") from e
        self._link, self._failures = link, 0
        return link

    async def _introduce(self, link: "Link") -> None:
        try:
            told = await link.ask(API_VERSIONS, INTRODUCTION_VERSION, ApiVersionsRequest(*SOFTWARE))
        except BaseException:
            link.end("its versions are not known")
            raise
        assert isinstance(told, ApiVersionsResponse)
        if told.error_code != ErrorCode.NONE:
            link.end("it refuses ApiVersions")
            raise Unreachable(f"{self} answers ApiVersions with error {told.error_code}")
        self._versions = {row.api_key: (row.min_version, row.max_version) for row in told.api_keys}


class Link(asyncio.BufferedProtocol):
    """One connection, while it lasts."""

    def __init__(self, limits: PeerLimits, client_id: str) -> None:
        self.lost = False
        self._limits, self._client_id = limits, client_id
        self._transport: asyncio.Transport | None = None
        self._view = memoryview(bytearray(limits.receive_bytes))
        self._start = self._end = 0
        self._next_id = 0
        self._pending: deque[tuple[int, int, int, asyncio.Future[Any]]] = deque()  # id, api key, version, response
        self._reason = "the other end closed the connection"

    async def ask(self, api_key: int, version: int, message: Any) -> Any:
        """Raises Unreachable."""
        if self.lost or self._transport is None:
            raise Unreachable(self._reason)
        if len(self._pending) >= self._limits.requests_in_flight:
            raise Unreachable(f"{self._limits.requests_in_flight} requests wait for answers already")
        self._next_id = (self._next_id + 1) & 0x7FFFFFFF
        header = RequestHeader(api_key, version, self._next_id, self._client_id)
        frame = request_frame(header, wire.encode_request(api_key, version, message))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.append((self._next_id, api_key, version, answer))
        self._transport.write(frame)
        return await answer

    def end(self, reason: str) -> None:
        """Hang up; whoever waits learns why."""
        if not self.lost:
            self.lost, self._reason = True, reason
            if self._transport is not None:
                self._transport.abort()
            self._fail()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            if exc is not None:
                self._reason = f"the connection broke: {exc}"
            self._fail()
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        try:
            while not self.lost and self._take_one():
                pass
        except Malformed as e:
            self.end(f"an answer that cannot be read: {e.message}")

    # between the two

    def _take_one(self) -> bool:
        """Hand over one whole response; False: there is none yet, and there is room for more of it."""
        have = self._end - self._start
        size = SIZE.unpack_from(self._view, self._start)[0] if have >= SIZE.size else 0
        if not 0 <= size <= self._limits.max_response_bytes:
            raise Malformed(f"a frame of {size} bytes")
        if have < SIZE.size or have < SIZE.size + size:
            self._make_room(SIZE.size + size)
            return False
        at = self._start + SIZE.size
        self._start = at + size
        self._answer(self._view[at : self._start])
        return True

    def _make_room(self, need: int) -> None:
        """Go on in a new buffer when this one is full: views of it may be in use."""
        if self._start + need <= len(self._view) and self._end < len(self._view):
            return
        fresh = memoryview(bytearray(max(need, self._limits.receive_bytes)))
        rest = self._end - self._start
        fresh[:rest] = self._view[self._start : self._end]
        self._view, self._start, self._end = fresh, 0, rest

    def _answer(self, frame: memoryview) -> None:
        if not self._pending:
            raise Malformed("it answers what nobody asked")
        asked_id, api_key, version, answer = self._pending.popleft()
        got_id, at = decode_response_header(frame, wire.header_versions(api_key, version)[1])
        try:
            if got_id != asked_id:
                raise Malformed(f"it answers {got_id} where {asked_id} was asked")
            response = wire.decode_response(api_key, version, frame, at)
        except Malformed as e:
            if not answer.done():
                answer.set_exception(Unreachable(f"an answer that cannot be read: {e.message}", sent=True))
            raise
        if not answer.done():
            answer.set_result(response)

    def _fail(self) -> None:
        pending, self._pending = self._pending, deque()
        for _, _, _, answer in pending:
            if not answer.done():
                answer.set_exception(Unreachable(self._reason, sent=True))
                answer.exception()  # whoever asked may be gone
