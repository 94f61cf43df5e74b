"""Kafka's primitive types as bytes, both ways, and the versions of the requests that the pipeline speaks.

`Writer` and `Reader` know whether a message is flexible (compact strings and arrays, tagged fields), so that a codec
is written once for both manners. Hot messages pack their fixed parts by hand (produce.py, fetch.py).
Source: KIP-482 (flexible versions), the protocol guide.
"""

import struct
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

from kcli.errors import Failure

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview
PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, INIT_PRODUCER_ID = 0, 1, 2, 3, 18, 22
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = range(8, 15)
NO_ID = UUID(int=0)

# request: (oldest version spoken here, newest, first flexible one). Kafka has had the oldest since 0.11.
VERSIONS = {
    PRODUCE: (3, 13, 9),
    FETCH: (4, 17, 12),
    LIST_OFFSETS: (1, 10, 6),
    METADATA: (4, 13, 9),
    INIT_PRODUCER_ID: (0, 5, 2),
    OFFSET_COMMIT: (3, 9, 8),  # from 10 on by topic id
    OFFSET_FETCH: (3, 7, 6),  # from 8 on for many groups
    FIND_COORDINATOR: (1, 3, 3),  # from 4 on for many groups
    JOIN_GROUP: (2, 9, 6),
    HEARTBEAT: (1, 4, 4),
    LEAVE_GROUP: (1, 5, 4),
    SYNC_GROUP: (1, 5, 4),
}
NAMES = {
    PRODUCE: "Produce",
    FETCH: "Fetch",
    LIST_OFFSETS: "ListOffsets",
    METADATA: "Metadata",
    API_VERSIONS: "ApiVersions",
    INIT_PRODUCER_ID: "InitProducerId",
    OFFSET_COMMIT: "OffsetCommit",
    OFFSET_FETCH: "OffsetFetch",
    FIND_COORDINATOR: "FindCoordinator",
    JOIN_GROUP: "JoinGroup",
    HEARTBEAT: "Heartbeat",
    LEAVE_GROUP: "LeaveGroup",
    SYNC_GROUP: "SyncGroup",
}

_int16, _int32, _int64 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_HEADER = struct.Struct(">hhih")


class Malformed(Failure):
    """An answer that no Kafka broker gives."""


def chosen(api: int, low: int, high: int) -> int | None:
    """The newest version that both sides speak, if there is one; the broker speaks `low` to `high`."""
    oldest, newest, _ = VERSIONS[api]
    version = min(newest, high)
    return version if version >= max(oldest, low) else None


def flexible(api: int, version: int) -> bool:
    return version >= VERSIONS[api][2]


def request_header(api: int, version: int, correlation: int, client_id: bytes) -> bytes:
    head = _HEADER.pack(api, version, correlation, len(client_id)) + client_id
    return head + b"\0" if api in VERSIONS and flexible(api, version) else head


def varint(value: int) -> bytes:
    """An unsigned varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A signed varint or varlong, as the fields of a record are."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


class Writer:
    def __init__(self, flexible: bool) -> None:
        self.flexible = flexible
        self.out = bytearray()

    def int8(self, value: int) -> None:
        self.out += value.to_bytes(1, "big", signed=True)

    def bool(self, value: bool) -> None:
        self.out.append(value)

    def int16(self, value: int) -> None:
        self.out += _int16.pack(value)

    def int32(self, value: int) -> None:
        self.out += _int32.pack(value)

    def int64(self, value: int) -> None:
        self.out += _int64.pack(value)

    def uuid(self, value: UUID) -> None:
        self.out += value.bytes

    def string(self, value: str | None) -> None:
        raw = None if value is None else value.encode()
        if self.flexible:
            self.out += varint(0 if raw is None else len(raw) + 1)
        else:
            self.int16(-1 if raw is None else len(raw))
        self.out += raw or b""

    def data_bytes(self, value: bytes | None) -> None:
        size = -1 if value is None else len(value)
        if self.flexible:
            self.out += varint(size + 1)
        else:
            self.int32(size)
        self.out += value or b""

    def array(self, count: int | None) -> None:
        """The head of an array of `count` elements, which follow; None is the null array."""
        if self.flexible:
            self.out += varint(0 if count is None else count + 1)
        else:
            self.int32(-1 if count is None else count)

    def tags(self) -> None:
        """No tagged fields; nothing at all in old versions."""
        if self.flexible:
            self.out.append(0)


class Reader:
    """Reads one message from the front. Raises Malformed where the bytes end too early or make no sense."""

    def __init__(self, data: Buffer, flexible: bool, at: int = 0) -> None:
        self.data, self.flexible, self.at = memoryview(data), flexible, at

    def _fixed(self, layout: struct.Struct) -> int:
        at = self.at
        self.at = at + layout.size
        try:
            value: int = layout.unpack_from(self.data, at)[0]
        except struct.error as error:
            raise Malformed("The broker's answer ends too early") from error
        return value

    def int8(self) -> int:
        value = self.raw(1)[0]
        return value - 256 if value > 127 else value

    def bool(self) -> bool:
        return self.raw(1)[0] != 0

    def int16(self) -> int:
        return self._fixed(_int16)

    def int32(self) -> int:
        return self._fixed(_int32)

    def int64(self) -> int:
        return self._fixed(_int64)

    def uuid(self) -> UUID:
        return UUID(bytes=bytes(self.raw(16)))

    def raw(self, size: int) -> memoryview:
        """The next `size` bytes, as a view."""
        at, end = self.at, self.at + size
        if size < 0 or end > len(self.data):
            raise Malformed("The broker's answer ends too early")
        self.at = end
        return self.data[at:end]

    def varint(self) -> int:
        value = shift = 0
        while shift < 35:
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise Malformed("The broker's answer has a number that does not end")

    def string(self) -> str | None:
        size = self.varint() - 1 if self.flexible else self.int16()
        if size < 0:
            return None
        try:
            return str(self.raw(size), "utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("The broker's answer has text that is not UTF-8") from error

    def text(self) -> str:
        """A string that may not be null."""
        return self.string() or ""

    def data_bytes(self) -> memoryview:
        """A bytes field, as a view; a null one is empty."""
        size = self.varint() - 1 if self.flexible else self.int32()
        return self.raw(max(size, 0))

    def count(self) -> int:
        """The head of an array; a null one is empty."""
        size = self.varint() - 1 if self.flexible else self.int32()
        if size > len(self.data) - self.at:  # an element has a byte at least
            raise Malformed("The broker's answer has a list that is longer than the answer")
        return max(size, 0)

    def array(self, element: Callable[[], T]) -> list[T]:
        return [element() for _ in range(self.count())]

    def tags(self) -> None:
        """Skip the tagged fields."""
        for _ in self.tagged():
            pass

    def tagged(self) -> Iterator[tuple[int, memoryview]]:
        """Yield the tagged fields; in old versions there are none."""
        if self.flexible:
            for _ in range(self.varint()):
                tag, size = self.varint(), self.varint()
                yield tag, self.raw(size)
