"""One end of a connection in memory, which behaves as asyncio's over TCP.

A stream arrives whole, in order and once, in pieces of any size, or its connection ends. A cut delays it, as
retransmission does, and after GIVE_UP_S without progress the sender's side is ended by a time-out. A receiver that
pauses reading fills the window, and then the sender's buffer: `pause_writing` is called as asyncio does.

Protocols are called as asyncio calls them: BufferedProtocol by get_buffer and buffer_updated, Protocol by
data_received.
"""

import asyncio
import contextvars
import errno
import os
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from server.ports import Buffer
from tests.sim.loop import Killed

WINDOW = 256 * 1024  # bytes that a connection holds on the way and unread, each direction
GIVE_UP_S = 120.0
HIGH_WATER = 64 * 1024
_NOBODY = contextvars.Context()  # what the network itself does belongs to no process


class Wires(Protocol):
    rng: Random

    def is_cut(self, source: str, target: str) -> bool: ...

    def delay_s(self) -> float: ...

    def note(self, line: str) -> None: ...


class MemoryTransport(asyncio.Transport):
    """One end of a connection. What it sends waits in `_unsent`, then in the peer's `_arriving`, then `_unread`."""

    peer: "MemoryTransport"

    def __init__(
        self,
        net: Wires,
        protocol: asyncio.BaseProtocol,
        context: contextvars.Context,
        address: tuple[str, int],
        peer_address: tuple[str, int],
    ) -> None:
        super().__init__({"peername": peer_address, "sockname": address, "socket": None})
        self._net, self._protocol, self._context = net, protocol, context
        self.source, self._target = address[0], peer_address[0]
        self._name = f"{address[0]}:{address[1]}->{peer_address[0]}:{peer_address[1]}"
        self.gone = False  # connection_lost was called, or the process died: no callback follows
        self._closing = self._dead = False
        self._eof_sent = self._eof_shipped = self._eof_read = False
        self._unsent: deque[bytes] = deque()
        self._unsent_size = 0
        self._arriving: deque[tuple[float, bytes | None]] = deque()  # None: the end of the stream
        self._unread = bytearray()
        self._held = 0  # bytes in _arriving and _unread
        self._reading, self._writing_paused = True, False
        self._low, self._high = HIGH_WATER // 4, HIGH_WATER
        self._last_s = 0.0
        self._stuck_since_s: float | None = None

    # -- asyncio's transport

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing or self.gone

    def is_reading(self) -> bool:
        return self._reading and not self.is_closing()

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self.soon(self._read)

    def get_write_buffer_size(self) -> int:
        return self._unsent_size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else (4 * low if low is not None else HIGH_WATER)
        self._low = low if low is not None else self._high // 4
        self._watch_water()

    def write(self, data: Buffer) -> None:
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.is_closing() or not len(data):
            return
        self._unsent.append(bytes(data))
        self._unsent_size += len(self._unsent[-1])
        self._send()
        self._watch_water()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._eof_sent and not self.is_closing():
            self._eof_sent = True
            self._send()

    def close(self) -> None:
        """Send what is unsent, then end. Nothing more is read."""
        if not self.is_closing():
            self._closing = True
            self._send()
            self._finish()

    def abort(self) -> None:
        if not self.gone:
            self._closing = True
            self._end(None)
            self._reset_peer()

    # -- sending

    def _send(self) -> None:
        """Put as much on the way as the window takes, in pieces as a seed cuts them."""
        if self.gone:
            return
        while self._unsent and self.peer._held < WINDOW:
            data = self._unsent.popleft()
            size = min(len(data), WINDOW - self.peer._held, self._piece(len(data)))
            if size < len(data):
                self._unsent.appendleft(data[size:])
            self._unsent_size -= size
            self._ship(data[:size])
        if not self._unsent and (self._closing or self._eof_sent) and not self._eof_shipped:
            self._eof_shipped = True
            self._ship(None)

    def _piece(self, size: int) -> int:
        return size if self._net.rng.random() < 0.8 else self._net.rng.randrange(1, size + 1)

    def _ship(self, data: bytes | None) -> None:
        loop = asyncio.get_running_loop()
        self._last_s = max(self._last_s, loop.time() + self._net.delay_s())
        self.peer._arriving.append((self._last_s, data))
        self.peer._held += len(data or b"")
        loop.call_at(self._last_s, self.peer._arrive, context=_NOBODY)

    def _finish(self) -> None:
        if self._closing and not self._unsent:
            self.soon(self._end, None)

    def _watch_water(self) -> None:
        if not self._writing_paused and self._unsent_size > self._high:
            self._writing_paused = True
            self._protocol.pause_writing()
        elif self._writing_paused and self._unsent_size <= self._low and not self.gone:
            self._writing_paused = False
            self.call(self._protocol.resume_writing)

    # -- receiving

    def _arrive(self) -> None:
        """Take from the way what is due. Behind a cut it waits for the next retransmission, or for ever."""
        loop = asyncio.get_running_loop()
        if not self._arriving:
            return
        if self._net.is_cut(self._target, self.source):
            self._stuck_since_s = self._stuck_since_s or loop.time()
            if loop.time() - self._stuck_since_s > GIVE_UP_S:
                self._arriving.clear()
                self.peer._end(os_error(errno.ETIMEDOUT))
            else:
                loop.call_at(loop.time() + self._net.rng.uniform(0.2, 2), self._arrive, context=_NOBODY)
            return
        self._stuck_since_s = None
        while self._arriving and self._arriving[0][0] <= loop.time():
            self._take(self._arriving.popleft()[1])
        self._read()

    def _take(self, data: bytes | None) -> None:
        if self.gone:
            if data and not self.peer.gone:
                self._reset_peer()
        elif data is None:
            self._eof_read = True
        else:
            self._net.note(f"{self.peer._name} {len(data)} bytes")
            self._unread += data

    def _read(self) -> None:
        while self._unread and self.is_reading():
            size = self.call(self._feed)
            if size is None:
                return
            del self._unread[:size]
            self._held -= size
            self.peer._sent()
        if self._closing:  # asyncio reads nothing more after close(); the kernel throws it away
            self._held -= len(self._unread)
            self._unread.clear()
        if self._eof_read and not self._unread and self.is_reading():
            self._eof_read = False
            keep = self.call(self._protocol.eof_received)  # type: ignore[attr-defined]
            if not keep:
                self.close()

    def _feed(self) -> int:
        if isinstance(self._protocol, asyncio.BufferedProtocol):
            room = memoryview(self._protocol.get_buffer(-1))
            if not room:
                raise RuntimeError("get_buffer() returned an empty buffer")
            size = min(len(room), len(self._unread))
            room[:size] = self._unread[:size]
            room.release()
            self._protocol.buffer_updated(size)
            return size
        size = min(len(self._unread), 256 * 1024)
        self._protocol.data_received(bytes(self._unread[:size]))  # type: ignore[attr-defined]
        return size

    def _sent(self) -> None:
        if self._unsent and not self.gone:
            self._send()
            self._watch_water()
            self._finish()

    # -- ending

    def vanish(self, *, tell: bool) -> None:
        """The process behind this end died."""
        self.gone = self._dead = True
        self._unsent.clear()
        self._unsent_size = 0
        if tell:
            self._reset_peer()
        else:  # nobody is left to send again what has not arrived
            self.peer._held -= sum(len(data or b"") for _, data in self.peer._arriving)
            self.peer._arriving.clear()

    def _reset_peer(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._net.is_cut(self.source, self._target):
            when_s = loop.time() + self._net.delay_s()
            loop.call_at(when_s, self.peer._end, os_error(errno.ECONNRESET), context=_NOBODY)

    def _end(self, error: OSError | None) -> None:
        if not self.gone:
            self._net.note(f"{self._name} ends {error or ''}".rstrip())
            self.gone = True
            self._unsent.clear()
            self._unsent_size = 0
            self.soon(self._protocol.connection_lost, error)

    def soon(self, callback: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_soon(self.call, callback, *args, context=_NOBODY)

    def call(self, callback: Callable[..., Any], *args: object) -> Any:
        """Call into the process behind this end; what it raises ends the connection and is reported."""
        if self._dead:
            return None
        try:
            return self._context.copy().run(callback, *args)
        except Killed:
            return None
        except Exception as e:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": f"protocol of {self._name} failed", "exception": e})
            self._end(OSError(errno.EIO, "protocol failed"))
            return None


def os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
