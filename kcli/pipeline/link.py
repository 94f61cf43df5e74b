"""One connection to one broker: requests go out in order, answers come back in the same order.

A link never blocks. It is made by `open_link`, which does (connecting, TLS, SASL and the first ApiVersions are a
conversation of turns), so that whoever owns the event loop calls that from a thread.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from kcli import sockets
from kcli.errors import Failure, Refused, Unreachable
from kcli.pipeline import messages, wire
from kcli.pipeline.wire import API_VERSIONS, NAMES, Buffer, Malformed, Reader
from kcli.properties import Address

UNSUPPORTED_VERSION = 35
MAX_FRAME_BYTES = 1 << 30
STAGING_BYTES = 1 << 16
SMALL_BYTES = 1 << 10  # what is so small is copied into one buffer
MAX_BUFFERS = 64  # of one sendmsg
_size = struct.Struct(">i")

Answered = Callable[[Reader | None], None]  # None: the answer will not come


class _Waiting(NamedTuple):
    correlation: int
    flexible: bool
    deadline_ms: float
    answered: Answered


class Link:
    """`opened` is connected and authenticated; `versions` are what the broker speaks."""

    def __init__(
        self, opened: socket.socket, address: Address, client_id: str, versions: Mapping[int, tuple[int, int]]
    ) -> None:
        self.address, self._versions = address, versions
        self._client_id = client_id.encode()
        self._socket = opened
        opened.setblocking(False)
        self._gathers = not hasattr(opened, "pending")  # a TLS socket takes one buffer at a time
        self._correlation = 0
        self._waiting: deque[_Waiting] = deque()
        self._outgoing: deque[Buffer] = deque()
        self._staging = memoryview(bytearray(STAGING_BYTES))
        self._held = 0  # bytes in staging
        self._frame: bytearray | None = None  # a frame that is too large for it
        self._filled = 0

    @property
    def named(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return len(self._waiting)

    @property
    def next_deadline_ms(self) -> float | None:
        # Answers come in order, so that the first to come decides, whatever the others have been promised.
        return self._waiting[0].deadline_ms if self._waiting else None

    @property
    def unsent(self) -> bool:
        return bool(self._outgoing)

    def version(self, api: int) -> int:
        """The newest version of `api` that both sides speak. Raises Refused(UNSUPPORTED_VERSION)."""
        low, high = self._versions.get(api, (0, -1))
        version = wire.chosen(api, low, high)
        if version is None:
            raise Refused(UNSUPPORTED_VERSION, f"The broker at {self.named} does not speak {NAMES[api]} as kcli does")
        return version

    def request(
        self, api: int, version: int, body: Iterable[Buffer], deadline_ms: float, answered: Answered | None
    ) -> None:
        """Queue a request; `answered` is called with what comes back. Without it no answer is expected."""
        self._correlation = (self._correlation + 1) & 0x7FFFFFFF
        head = wire.request_header(api, version, self._correlation, self._client_id)
        parts = list(body)
        front = _size.pack(len(head) + sum(map(len, parts))) + head
        if parts and len(parts[0]) < SMALL_BYTES:
            parts[0] = front + parts[0]
        else:
            self._outgoing.append(front)
        self._outgoing.extend(parts)
        if answered:
            row = _Waiting(self._correlation, wire.flexible(api, version), deadline_ms, answered)
            self._waiting.append(row)

    def flush(self) -> None:
        """Send what the socket takes. Raises OSError when the connection is lost."""
        out = self._outgoing
        try:
            while out:
                if self._gathers:
                    buffers = list(islice(out, MAX_BUFFERS))
                    sent = self._socket.sendmsg(buffers)
                    if len(buffers) == len(out) and sent == sum(map(len, buffers)):
                        out.clear()
                        return
                else:
                    sent = self._socket.send(out[0])
                while sent:
                    first = out.popleft()
                    if sent < len(first):
                        out.appendleft(memoryview(first)[sent:])
                        break
                    sent -= len(first)
        except BlockingIOError:
            return
        except OSError as error:
            if not _again(error):
                raise

    def receive(self) -> None:
        """Read what has come, and hand out whole answers. Raises OSError at the end of the connection."""
        while True:
            try:
                room = self._staging[self._held :] if self._frame is None else memoryview(self._frame)[self._filled :]
                got = self._socket.recv_into(room)
            except BlockingIOError:
                return
            except OSError as error:
                if _again(error):
                    return
                raise
            if not got:
                raise ConnectionResetError("the broker closed the connection")
            if self._frame is None:
                self._held += got
                self._take_frames()
            else:
                self._filled += got
                if self._filled == len(self._frame):
                    whole, self._frame = self._frame, None
                    self._deliver(whole)
            if got < len(room) and self._gathers:
                return  # that was all; TLS may have kept something

    def drop(self) -> None:
        """Close, and tell everybody who waits that no answer will come."""
        self.close()
        waiting, self._waiting = self._waiting, deque()
        self._outgoing.clear()
        for row in waiting:
            row.answered(None)

    def _take_frames(self) -> None:
        at, held, staging = 0, self._held, self._staging
        frames = []
        while held - at >= 4:
            (size,) = _size.unpack_from(staging, at)
            if not 4 <= size <= MAX_FRAME_BYTES:
                raise Malformed(f"What answers at {self.named} does not speak Kafka's protocol", "Check the port.")
            if at + 4 + size <= held:
                frames.append(bytes(staging[at + 4 : at + 4 + size]))
                at += 4 + size
            elif size > STAGING_BYTES // 2:
                self._frame, self._filled = bytearray(size), held - at - 4
                self._frame[: self._filled] = staging[at + 4 : held]
                at = held
            else:
                break
        if at < held:
            staging[: held - at] = bytes(staging[at:held])
        self._held = held - at
        for frame in frames:
            self._deliver(frame)

    def _deliver(self, frame: Buffer) -> None:
        (correlation,) = _size.unpack_from(frame)
        if not self._waiting or self._waiting[0].correlation != correlation:
            raise Malformed(f"The broker at {self.named} answered a question that was not asked")
        row = self._waiting.popleft()
        answer = Reader(frame, row.flexible, 4)
        answer.tags()
        row.answered(answer)


def _again(error: OSError) -> bool:
    """Whether a TLS socket only wants to be called again when the network is ready."""
    return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")


def open_link(address: Address, settings: Mapping[str, str], timeout_s: float) -> Link:
    """Connect, authenticate, and ask for the versions. Blocks.

    raises  Unreachable: nobody answers (in time)
            Failure: a wrong setting, a certificate or password that is not accepted, no Kafka broker
    """
    client_id = settings.get("client.id", "kcli")
    opened = sockets.connect(address, settings, timeout_s)
    where = f"{address[0]}:{address[1]}"
    try:
        opened.settimeout(timeout_s)
        # Version 0: every broker answers it.
        head = wire.request_header(API_VERSIONS, 0, 0, client_id.encode())
        opened.sendall(_size.pack(len(head)) + head)
        (size,) = _size.unpack(sockets.receive(opened, 4))
        if not 10 <= size <= STAGING_BYTES:
            raise Malformed(f"What answers at {where} does not speak Kafka's protocol", "Check the port.")
        versions = messages.read_api_versions(sockets.receive(opened, size)[4:])
        return Link(opened, address, client_id, versions)
    except TimeoutError as error:
        opened.close()
        raise Unreachable(f"The broker at {where} did not answer ApiVersions within {timeout_s:g} s") from error
    except OSError as error:
        opened.close()
        raise Unreachable(
            f"The broker at {where} closed the connection during ApiVersions",
            "Check security.protocol: a TLS port hangs up on plain clients.",
        ) from error
    except Failure:
        opened.close()
        raise
