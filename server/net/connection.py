"""One connection of a client: frames in, answers out, in order; knows nothing of what they mean.

A frame is a big-endian int32, its size, and that many bytes. The socket is read into one buffer that belongs to the
connection; every complete frame of a read is served in place, then the appends that they staged are written once
(`flush`), then all answers leave in one vectored write. A service gets a view that is void when buffer_updated returns.

Nothing is unbounded. The buffer grows only as bytes of one large frame arrive, never because a length field says so.
While an answer is awaited, too many answers wait for replication, or the peer does not read what it was sent, no
further frame is served, and reading stops as soon as the buffer is full. A peer that asks for much at once is served
for TURN_SECONDS; then all others have their turn.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from struct import Struct
from typing import cast

from server.net.answers import AfterWrite, Answer, Bytes, Disconnect, Peer, Service
from server.net.limits import (
    PIPELINED_ANSWERS,
    READ_MAX_BYTES,
    READ_MIN_BYTES,
    TURN_SECONDS,
    UNSENT_HIGH_BYTES,
    UNSENT_LOW_BYTES,
)
from server.net.registry import Registry
from server.ports import Buffer

SIZE = Struct(">i")


class Connection(asyncio.BufferedProtocol):
    def __init__(self, registry: Registry, serve: Callable[[Peer], Service], flush: Callable[[], None]) -> None:
        self.host = ""
        self._registry, self._make_service, self._flush = registry, serve, flush
        self._max_frame = registry.limits.socket_request_max_bytes
        self._service: Service
        self._peer: Peer | None = None
        self._transport: asyncio.Transport | None = None
        self._view = memoryview(bytearray(READ_MIN_BYTES))
        self._start = self._end = 0  # of the bytes that are received and not served
        self._reserved = 0  # by the registry, for this buffer's growth
        self._largest = 0  # frame since the last sweep
        self._active = self._closing = False
        self._clogged = self._paused = False
        self._task: asyncio.Task[None] | None = None
        self._turn: asyncio.Handle | None = None  # the next one, when the last had not time for all
        self._answers: deque[Bytes | asyncio.Future[Bytes]] = deque()  # in order; the first is a Future

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("", 0)
        self.host = str(name[0]).removeprefix("::ffff:")  # how a dual-stack socket writes IPv4
        if not self._registry.admit(self):
            self._closing = True
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=UNSENT_HIGH_BYTES, low=UNSENT_LOW_BYTES)
        self._peer = Peer(self.host, int(name[1]))
        self._service = self._make_service(self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._task is not None:
            # Nobody is left to wait for it. It may not have begun yet, and must, to clean up behind itself.
            asyncio.get_running_loop().call_soon(self._task.cancel)
        if self._turn is not None:
            self._turn.cancel()
        self._answers.clear()
        self._view = memoryview(b"")
        self._start = self._end = 0
        self._registry.left(self)
        self._registry.give(self._reserved)
        self._reserved = 0
        for tell in () if self._peer is None else self._peer.on_lost:
            tell()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        self._active = True
        if self._task is None and not self._clogged and self._turn is None:
            self._drain()
        elif self._end == len(self._view):
            self._pause()

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._active = True
        self.resume()

    # the registry's side

    def sweep(self) -> bool:
        silent = self._closing or not (self._active or self._task or self._answers)
        self._active = False
        if self._start == self._end and len(self._view) > 2 * max(self._largest, READ_MIN_BYTES):
            self._shrink(max(self._largest, READ_MIN_BYTES))
        self._largest = 0
        return silent

    def resume(self) -> None:
        """Go on where serving stopped, if nothing stops it any more."""
        if self._transport is not None and self._task is None and not self._clogged and self._turn is None:
            self._drain()

    def close(self, reason: str | None) -> None:
        """Hang up. With a reason, what was answered before is still sent; the sweep ends it if the peer won't read."""
        if self._transport is None:
            return
        if reason is not None and not self._closing:
            self._registry.complain(f"closed the connection of {self.host}: {reason}")
            self._closing = True
            self._transport.close()
        else:
            self._closing = True
            self._transport.abort()

    # between the two

    def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TURN_SECONDS
        while self._serve_some(loop.time, deadline):
            if loop.time() >= deadline:
                self._turn = loop.call_soon(self._go_on)
                break
        if self._transport is not None and not self._closing:
            self._make_room()

    def _go_on(self) -> None:
        self._turn, self._active = None, True
        self.resume()

    def _serve_some(self, time: Callable[[], float], deadline: float) -> bool:
        """Serve complete frames, write what they staged, send their answers; whether there may be more to serve."""
        view, start, end = self._view, self._start, self._end
        answers: list[Answer] = []
        unsent, more, reason = 0, False, None
        try:
            while end - start >= SIZE.size and not self._closing:
                (size,) = SIZE.unpack_from(view, start)
                if not 0 <= size <= self._max_frame:
                    raise Disconnect(f"a frame of {size} bytes, socket.request.max.bytes={self._max_frame}")
                stop = start + SIZE.size + size
                if stop > end or len(self._answers) + len(answers) >= PIPELINED_ANSWERS:
                    more = stop <= end
                    break
                answer = self._service(view[start + SIZE.size : stop])
                self._largest = max(self._largest, stop - start)
                start = stop
                answers.append(answer)
                if type(answer) is list:
                    unsent += sum(map(len, answer))
                    if unsent > UNSENT_HIGH_BYTES:
                        more = True
                        break
                elif answer is not None and not isinstance(answer, AfterWrite):
                    break
                if time() >= deadline:
                    more = True
                    break
        except Disconnect as e:
            reason = str(e)
        finally:
            # Staged appends are views of this buffer: they must be written before anything is read into it.
            self._start = start
            self._flush()
        try:
            self._settle(answers)
        except Disconnect as e:
            reason = str(e)
        if reason is not None:
            self.close(reason or None)
        return more and self._task is None and not self._clogged and len(self._answers) < PIPELINED_ANSWERS

    def _settle(self, answers: list[Answer]) -> None:
        out: Bytes = []
        try:
            for answer in answers:
                if isinstance(answer, AfterWrite):
                    self._queue(answer.settle(), out)
                elif type(answer) is list:
                    self._queue(answer, out)
                elif answer is not None:
                    waiting = cast(Awaitable[Bytes | None], answer)
                    self._task = asyncio.get_running_loop().create_task(self._await(waiting))
        finally:
            self._send(out)

    def _queue(self, answer: Bytes | asyncio.Future[Bytes], out: Bytes) -> None:
        if isinstance(answer, asyncio.Future):
            self._answers.append(answer)
            answer.add_done_callback(self._settled)
        elif self._answers:
            self._answers.append(answer)
        else:
            out += answer

    def _settled(self, _: asyncio.Future[Bytes]) -> None:
        """Send the answers up to the first that still waits."""
        out: Bytes = []
        was_full = len(self._answers) >= PIPELINED_ANSWERS
        while self._answers:
            first = self._answers[0]
            if isinstance(first, asyncio.Future):
                if not first.done():
                    break
                out += first.result()
            else:
                out += first
            self._answers.popleft()
        self._send(out)
        if was_full:
            self.resume()

    async def _await(self, answer: Awaitable[Bytes | None]) -> None:
        reason = None
        try:
            answered = await answer
        except Disconnect as e:
            answered, reason = None, str(e)
        self._task = None
        out: Bytes = []
        self._queue(answered or [], out)
        self._send(out)
        if reason is not None:
            self.close(reason or None)
        self.resume()

    def _send(self, out: list[Buffer]) -> None:
        if out and self._transport is not None:
            self._transport.writelines(out)

    def _make_room(self) -> None:
        """Let the buffer take the rest of the frame that has begun, or stop reading."""
        start, end, capacity = self._start, self._end, len(self._view)
        rest = end - start
        if start and end == capacity < READ_MAX_BYTES:
            self._resize(min(2 * capacity, READ_MAX_BYTES))  # a read that filled it: more is coming
        elif rest == 0:
            self._start = self._end = 0
            if capacity > READ_MAX_BYTES and self._registry.limits.queued_max_request_bytes >= 0:
                self._shrink(READ_MAX_BYTES)
        else:
            if start >= rest:
                self._view[:rest] = self._view[start:end]
                self._start, self._end = 0, rest
            if self._end == capacity:
                self._grow()
        if self._end == len(self._view):
            self._pause()
        elif self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _grow(self) -> None:
        """Make room for more of one frame; complete frames that may not be served yet get none."""
        rest, capacity = self._end - self._start, len(self._view)
        need = READ_MIN_BYTES if rest < SIZE.size else SIZE.size + SIZE.unpack_from(self._view, self._start)[0]
        if need <= rest:
            return
        if need > max(READ_MAX_BYTES, self._reserved):
            if not self._registry.take(self, need - self._reserved):
                return
            self._reserved = need
        self._resize(capacity if need <= capacity else min(need, 2 * capacity))

    def _resize(self, capacity: int) -> None:
        rest = self._end - self._start
        view = memoryview(bytearray(capacity))
        view[:rest] = self._view[self._start : self._end]
        self._view, self._start, self._end = view, 0, rest

    def _shrink(self, capacity: int) -> None:
        self._resize(capacity)
        if capacity <= READ_MAX_BYTES:
            reserved, self._reserved = self._reserved, 0
            self._registry.give(reserved)

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
