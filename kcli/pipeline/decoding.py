"""Record batches (magic 2) as they are read: the walk over the headers of an answer, the records inside a batch.

`Block.values` is the fast way for whoever wants nothing but values. Records of the same size come in runs; once a
record is parsed, an expression made from its shape finds how far its run goes, and one unpacking takes all values of
the run. The expression spells every byte that the parse depends on, so that it accepts what the parser accepts.
Source: KIP-98; design/hot-path item 8.
"""

import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

from kcli.errors import Failure
from kcli.pipeline import compression
from kcli.pipeline.checksum import crc32c
from kcli.pipeline.encoding import HEADER_SIZE, Batch
from kcli.pipeline.wire import Buffer, zigzag

T = TypeVar("T")
_HEADER = struct.Struct(">qiibIhiqqqhii").unpack_from
_SIZE = struct.Struct(">qi").unpack_from
LENGTH_END, CRC_FROM, MAGIC = 12, 21, 2
CODEC, APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20
_SHORTEST_RUN = 4


class Head(NamedTuple):
    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    base_ms: int
    max_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int  # type: ignore[assignment]  # a field, where tuples have a method

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_delta + 1

    @property
    def append_time(self) -> bool:
        """Whether the times are those of the broker, and `max_ms` is that of every record."""
        return bool(self.attributes & APPEND_TIME)


class Record(NamedTuple):
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Corrupt(Failure):
    """A batch that is not what its writer wrote, or that nobody can read."""


def batches(data: memoryview) -> Iterator[tuple[Head, memoryview]]:
    """Yield each whole batch of an answer; brokers may cut the last one off. Nothing is checked yet but the length."""
    at, end = 0, len(data)
    while at + HEADER_SIZE <= end:
        _, length = _SIZE(data, at)
        if length < HEADER_SIZE - LENGTH_END:
            raise Corrupt(f"A record batch has an impossible length, {length}")
        stop = at + LENGTH_END + length
        if stop > end:
            return
        yield Head._make(_HEADER(data, at)), data[at:stop]
        at = stop


def first_ms(data: memoryview) -> int | None:
    """The base time of a batch of which perhaps only the beginning is there; None: not even its header."""
    return Head._make(_HEADER(data)).base_ms if len(data) >= HEADER_SIZE else None


class Block:
    """One batch of a partition, from offset `start` (which may lie inside it) up to `end` (exclusive).

    Nothing is checked or decompressed before it is asked for.
    """

    __slots__ = ("_batch", "end", "head", "partition", "start", "topic")

    def __init__(self, topic: str, partition: int, head: Head, batch: memoryview, start: int) -> None:
        self.topic, self.partition, self.head, self._batch = topic, partition, head, batch
        self.start, self.end = start, head.next_offset

    def verify(self) -> None:
        """Check format and CRC. Raises Corrupt."""
        head = self.head
        if head.magic != MAGIC:
            raise Corrupt(f"{self.named} has format version {head.magic}; kcli reads version 2 (Kafka 0.11 and later)")
        if crc32c(self._batch[CRC_FROM:]) != head.crc:
            raise Corrupt(f"{self.named} is corrupt: its CRC does not match its bytes")

    def values(self) -> list[bytes | None]:
        """The values from `start` up to `end`."""
        head = self.head
        if head.count != head.last_delta + 1:  # compaction left holes: offsets have to be read
            return [record.value for record in self.records()]
        found = self._read(_values)
        return found[max(self.start - head.base_offset, 0) : max(self.end - head.base_offset, 0)]

    def plain(self) -> Buffer:
        """All the records of the batch as bytes, decompressed. Raises Corrupt."""
        try:
            return compression.plain(self.head.attributes & CODEC, self._batch[HEADER_SIZE:])
        except Failure as failure:
            raise Corrupt(f"{self.named}: {failure.message}") from failure

    def records(self) -> list[Record]:
        """The records from `start` up to `end`."""
        start, end = self.start, self.end
        found = self._read(_records)
        if start <= self.head.base_offset and end >= self.head.next_offset:
            return found
        return [record for record in found if start <= record.offset < end]

    def _read(self, parse: Callable[[bytes, Head], list[T]]) -> list[T]:
        try:
            data = bytes(compression.plain(self.head.attributes & CODEC, self._batch[HEADER_SIZE:]))
            return parse(data, self.head)
        except Corrupt:
            raise
        except Failure as failure:
            raise Corrupt(f"{self.named}: {failure.message}") from failure
        except (IndexError, UnicodeDecodeError) as error:
            raise Corrupt(f"{self.named} has a record that cannot be read") from error

    @property
    def named(self) -> str:
        return f"The batch at offset {self.head.base_offset} of {self.topic}-{self.partition}"


def whole(batch: Batch) -> list[Record]:
    """The records of a batch that was encoded here; offsets count from 0."""
    header, body = batch.pieces()
    head = Head._make(_HEADER(header))
    return _records(bytes(compression.plain(batch.codec, memoryview(body))), head)


def _values(data: bytes, head: Head) -> list[bytes | None]:
    """All values of a batch."""
    found: list[bytes | None] = []
    at, end = 0, len(data)
    while at < end:
        first = at
        at, stop = length(data, at)
        at += 1  # attributes
        mark = at
        while data[at] & 0x80:  # timestamp delta
            at += 1
        at += 1
        delta_size, mark = at - mark, at
        while data[at] & 0x80:  # offset delta
            at += 1
        at += 1
        offset_size = at - mark
        keyless = data[at] == 1
        at = at + 1 if keyless else _skip(data, at)
        size = data[at]
        at += 1
        if size & 0x80:
            size, at = _rest(data, at, size & 0x7F)
        if size & 1:
            found.append(None)
            headers_end(data, at, stop, end)
            at = stop
            continue
        size >>= 1
        found.append(data[at : at + size])
        at += size
        if data[at] or at + 1 != stop or stop > end:
            headers_end(data, at, stop, end)
            at = stop
            continue
        at = stop
        stride = stop - first
        ahead = first + _SHORTEST_RUN * stride
        if keyless and ahead < end and data[ahead] == data[first] == data[stop]:
            at = _run(data, at, stride, size, delta_size, offset_size, found)
    if len(found) != head.count:
        raise Corrupt(f"A batch of {head.count} records holds {len(found)}")
    return found


def _run(
    data: bytes, at: int, stride: int, size: int, delta_size: int, offset_size: int, found: list[bytes | None]
) -> int:
    """Take the records that follow at the same stride; return where they end."""
    pattern, unpack = shape(stride, size, delta_size, offset_size)
    match: re.Match[bytes] | None = pattern.match(data, at)
    if not match:
        return at
    run = data[at : match.end()]
    found += [value for (value,) in unpack(run)] if size else [b""] * (len(run) // stride)
    return match.end()


@lru_cache(maxsize=4096)
def shape(
    stride: int, size: int, delta_size: int, offset_size: int
) -> tuple[re.Pattern[bytes], Callable[[bytes], Iterator[tuple[bytes]]]]:
    """An expression for a run of records without key and headers, and what takes their values."""
    value_size = zigzag(size)
    body = 1 + delta_size + offset_size + 1 + len(value_size) + size + 1
    length = zigzag(body)
    number = [b"[\x80-\xff]{%d}[\x00-\x7f]" % (width - 1) for width in (delta_size, offset_size)]
    fixed = re.escape(length), number[0], number[1], re.escape(b"\1" + value_size), size
    pattern = re.compile(rb"(?:%b.%b%b%b.{%d}\x00)++" % fixed, re.DOTALL)
    front = stride - size - 1
    return pattern, struct.Struct(f"{front}x{size}sx").iter_unpack


def _records(data: bytes, head: Head) -> list[Record]:
    """All records of a batch."""
    found = []
    at, end = 0, len(data)
    append_time = head.max_ms if head.append_time else None
    while at < end:
        at, stop = length(data, at)
        if stop > end:
            raise Corrupt("A record is longer than its batch")
        delta_ms, at = number(data, at + 1)
        delta, at = number(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        count, at = number(data, at)
        headers = []
        for _ in range(count):
            name, at = _bytes(data, at)
            content, at = _bytes(data, at)
            headers.append((str(name or b"", "utf-8"), content))
        if at != stop:
            raise Corrupt("A record is not as long as it says")
        when = head.base_ms + delta_ms if append_time is None else append_time
        found.append(Record(head.base_offset + delta, when, key, value, tuple(headers)))
    if len(found) != head.count:
        raise Corrupt(f"A batch of {head.count} records holds {len(found)}")
    return found


def length(data: Buffer, at: int) -> tuple[int, int]:
    """Read a record's length: where its body begins and ends."""
    size = data[at]
    at += 1
    if size & 0x80:
        size, at = _rest(data, at, size & 0x7F)
    if size & 1:
        raise Corrupt("A record has a negative length")
    return at, at + (size >> 1)


def _rest(data: Buffer, at: int, value: int) -> tuple[int, int]:
    """Read the second and further bytes of a varint."""
    shift = 7
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Corrupt("A record has a number that does not end")


def number(data: Buffer, at: int) -> tuple[int, int]:
    """Read a signed number, and where it ends."""
    value = data[at]
    at += 1
    if value & 0x80:
        value, at = _rest(data, at, value & 0x7F)
    return (value >> 1) ^ -(value & 1), at


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = number(data, at)
    if size < 0:
        return None, at
    return data[at : at + size], at + size


def _skip(data: Buffer, at: int) -> int:
    size, at = number(data, at)
    return at + max(size, 0)


def headers_end(data: Buffer, at: int, stop: int, end: int) -> None:
    """Check that headers fill what is left of a record. Raises Corrupt."""
    count, at = number(data, at)
    for _ in range(count):
        at = _skip(data, _skip(data, at))
    if at != stop or stop > end:
        raise Corrupt("A record is not as long as it says")
